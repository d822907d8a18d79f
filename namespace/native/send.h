// sendfile(2) from an open file into a connected socket. A pool thread sends until the socket takes no more, then JavaScript's loop waits
// for it with uv_poll: no thread ever waits for a client.
//
// The socket is node's and stays node's; the job works on a dup, because libuv polls a descriptor only once. A dup keeps the connection
// open when the owner closes theirs (a timeout, a shutdown), and nobody is told. So while a send waits, the owner's descriptor is looked
// at twice a second: when it is closed or somebody else's, the connection is shut down and the send ends.
#pragma once
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "loop.h"

namespace causeway {

struct Send {
  Fd socket;
  int owners;      // the descriptor given
  ino_t identity;  // of the socket behind it
  int file;
  off_t offset;
  int64_t remaining, sent = 0;
  uv_poll_t* poll = nullptr;

  bool ownerIsGone() const {
    struct stat s;
    return fstat(owners, &s) != 0 || s.st_ino != identity;
  }
};

// What one turn may send before others on the pool have theirs.
constexpr int64_t burstBytes = 8 << 20;

inline bool peerIsGone(int error) {
  return error == EPIPE || error == ECONNRESET || error == ENOTCONN || error == ETIMEDOUT || error == ECONNABORTED;
}

inline void sendWork(Job& job) {
  Send& s = *job.send;
  for (int64_t turn = burstBytes; s.remaining > 0;) {
    if (turn <= 0) {
      job.next = Next::again;
      return;
    }
    ssize_t n = sendfile(s.socket.number, s.file, &s.offset, static_cast<size_t>(std::min(s.remaining, turn)));
    if (n > 0) {
      s.sent += n;
      s.remaining -= n;
      turn -= n;
    } else if (n == 0 || peerIsGone(errno)) {
      break;  // the file ended early, or nobody listens
    } else if (errno == EAGAIN) {
      job.next = Next::writable;
      return;
    } else if (errno != EINTR) {
      return job.fail("sendfile");
    }
  }
  job.give(static_cast<double>(s.sent));
}

// Room for one burst in the socket, so that a fast reader costs few wake-ups. Only for unix sockets: TCP sizes its own.
inline void enlargeBuffer(int socket) {
  int domain = 0, have = 0, want = 1 << 20;
  socklen_t length = sizeof(int);
  if (getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &length) || domain != AF_UNIX) return;
  length = sizeof(int);
  if (getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &have, &length) || have >= 2 * want) return;  // the kernel doubles what it is given
  if (setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &want, sizeof want)) setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &want, sizeof want);
}

// From here on JavaScript's thread only.

inline void closeHandle(Loop& loop, uv_handle_t* handle) {
  if (uv_is_closing(handle)) return;
  handle->data = &loop;
  uv_close(handle, [](uv_handle_t* closed) {
    auto* loop = static_cast<Loop*>(closed->data);
    loop->handles.erase(closed);
    if (closed->type == UV_TIMER)
      delete reinterpret_cast<uv_timer_t*>(closed);
    else
      delete reinterpret_cast<uv_poll_t*>(closed);
    if (loop->left && loop->handles.empty()) loop->left();
  });
}

inline void endWait(Job* job) {
  Loop& loop = *job->loop;
  uv_poll_stop(job->send->poll);
  loop.waiting.erase(job);
  if (loop.waiting.empty() && loop.watch) uv_timer_stop(loop.watch);
}

inline void onWritable(uv_poll_t* poll, int, int) {
  Job* job = static_cast<Job*>(poll->data);
  endWait(job);
  std::shared_ptr<Pool> pool = job->pool;
  pool->add(job, true);  // also on an error: the next sendfile says what it is
}

inline void onWatch(uv_timer_t* timer) {
  auto* loop = static_cast<Loop*>(timer->data);
  for (Job* job : std::vector<Job*>(loop->waiting.begin(), loop->waiting.end())) {
    if (!job->send->ownerIsGone()) continue;
    endWait(job);
    shutdown(job->send->socket.number, SHUT_RDWR);
    job->give(static_cast<double>(job->send->sent));
    job->next = Next::settle;
    loop->finished(job);
  }
}

// false: the job has failed instead and is to be settled.
inline bool waitWritable(Job* job) {
  Send& s = *job->send;
  Loop& loop = *job->loop;
  if (s.ownerIsGone()) {
    shutdown(s.socket.number, SHUT_RDWR);
    job->give(static_cast<double>(s.sent));
    return false;
  }
  if (!s.poll) {
    auto* poll = new uv_poll_t;
    if (int error = uv_poll_init(loop.uv, poll, s.socket.number)) {
      delete poll;
      job->fail("uv_poll_init", -error);
      return false;
    }
    poll->data = job;
    s.poll = poll;
    loop.handles.insert(reinterpret_cast<uv_handle_t*>(poll));
  }
  if (int error = uv_poll_start(s.poll, UV_WRITABLE, onWritable)) {
    job->fail("uv_poll_start", -error);
    return false;
  }
  if (!loop.watch) {
    loop.watch = new uv_timer_t;
    uv_timer_init(loop.uv, loop.watch);
    loop.watch->data = &loop;
    loop.handles.insert(reinterpret_cast<uv_handle_t*>(loop.watch));
  }
  if (loop.waiting.empty()) uv_timer_start(loop.watch, onWatch, 500, 500);
  loop.waiting.insert(job);
  return true;
}

}  // namespace causeway
