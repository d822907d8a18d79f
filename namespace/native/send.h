// sendfile(2) from an open file into a connected socket. A pool thread sends until the socket takes no more, then JavaScript's loop waits
// for it with uv_poll: no thread ever waits for a client.
//
// What sendfile puts into a unix socket is the file's own pages, not a copy. When somebody truncates the file, the kernel zeroes what was
// behind the new end, and a reader who comes to it later finds zeros, as many as were promised. So the last bytes wait until the reader has
// everything before them, and go, as a copy, only if the file still reaches as far as it has to.
//
// The socket is node's and stays node's; the job works on a dup, because libuv polls a descriptor only once. A dup keeps the connection
// open when the owner closes theirs (a timeout, a shutdown), and nobody is told. So while a send waits, the owner's descriptor is looked
// at twice a second: when it is closed or somebody else's, the connection is shut down and the send ends.
#pragma once
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "loop.h"

namespace causeway {

inline bool isUnix(int socket) {
  int domain = 0;
  socklen_t length = sizeof domain;
  return getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX;
}

// Room for one burst in a unix socket, so that a fast reader costs few wake-ups.
inline void enlargeBuffer(int socket) {
  int have = 0, want = 1 << 20;
  socklen_t length = sizeof have;
  if (getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &have, &length) || have >= 2 * want) return;  // the kernel doubles what it is given
  if (setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &want, sizeof want)) setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &want, sizeof want);
}

struct Send {
  Fd socket;
  int owners;      // the descriptor given
  ino_t identity;  // of the socket behind it
  int file;
  off_t offset;
  int64_t remaining, sent = 0;
  bool isUnix = false;
  bool isAtHand = false;  // the file is one that JavaScript's thread may read what is in memory of
  bool isNarrow = false;  // waits for the reader to have everything
  uv_poll_t* poll = nullptr;

  bool ownerIsGone() const {
    struct stat s;
    return fstat(owners, &s) != 0 || s.st_ino != identity;
  }

  // Has the reader everything, or is there no reader? Of a buffer that was read the kernel counts one byte until it has told us so.
  bool isRead() const {
    int unread = 0;
    return ioctl(socket.number, SIOCOUTQ, &unread) || unread <= 1;
  }

  // A unix socket is writable when a quarter of its buffer is in use at most: of the smallest one, hardly anything.
  void narrow() {
    int least = 0;
    setsockopt(socket.number, SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
    isNarrow = true;
  }
  void widen() {
    if (isNarrow) enlargeBuffer(socket.number);
    isNarrow = false;
  }
  ~Send() { widen(); }

  void count(ssize_t bytes) {
    sent += bytes;
    remaining -= bytes;
  }
};

// What one turn may send before others on the pool have theirs.
constexpr int64_t burstBytes = 8 << 20;

// What goes last, as a copy. A range that is not longer needs no waiting at all.
constexpr int64_t lastBytes = 64 << 10;

inline bool peerIsGone(int error) {
  return error == EPIPE || error == ECONNRESET || error == ENOTCONN || error == ETIMEDOUT || error == ECONNABORTED;
}

// For the last bytes what sendfile(2) is for the others. `how`: RWF_NOWAIT where the disk must not be waited for.
inline ssize_t sendLast(Send& s, int how) {
  if (s.sent > 0 && !s.isRead()) {
    s.narrow();
    errno = EAGAIN;
    return -1;
  }
  s.widen();
  uint8_t bytes[lastBytes];
  iovec part{bytes, static_cast<size_t>(s.remaining)};
  ssize_t n = preadv2(s.file, &part, 1, s.offset, how);
  struct stat now;  // after the read: XFS zeroes first and sets the size then, and a read waits for both
  if (n < 0) return -1;
  // Of a file that another machine has replaced an NFS server soon knows no attributes any more (ESTALE), though it is read on: nobody cuts it.
  bool isKnown = fstat(s.file, &now) == 0;
  if (!isKnown && errno != ESTALE) return -1;
  if (n < s.remaining || (isKnown && now.st_size < s.offset + n)) return 0;
  n = send(s.socket.number, bytes, static_cast<size_t>(n), MSG_NOSIGNAL);
  if (n > 0) s.offset += n;
  return n;
}

inline void sendWork(Job& job) {
  Send& s = *job.send;
  const int64_t last = s.isUnix ? lastBytes : 0;
  for (int64_t turn = burstBytes; s.remaining > 0;) {
    if (turn <= 0) {
      job.next = Next::again;
      return;
    }
    ssize_t n = s.remaining > last ? sendfile(s.socket.number, s.file, &s.offset, static_cast<size_t>(std::min(s.remaining - last, turn)))
                                   : sendLast(s, 0);
    if (n > 0) {
      s.count(n);
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

// From here on JavaScript's thread only.

// How often the owner's descriptor is looked at; how soon a socket is asked again that is writable and not yet read empty.
constexpr uint64_t watchMs = 500, againMs = 5;

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

inline void endJob(Job* job) {
  job->give(static_cast<double>(job->send->sent));
  job->next = Next::settle;
  job->loop->finished(job);
}

inline void onWatch(uv_timer_t* timer);

inline void onWritable(uv_poll_t* poll, int, int) {
  Job* job = static_cast<Job*>(poll->data);
  Send& s = *job->send;
  if (s.isNarrow && !s.isRead()) {
    // So little is unread that the socket is writable all the same: not asked again before a moment has passed.
    uv_poll_stop(poll);
    uv_timer_t* watch = job->loop->watch;
    if (uv_timer_get_due_in(watch) > againMs) uv_timer_start(watch, onWatch, againMs, watchMs);
    return;
  }
  endWait(job);
  if (s.isAtHand && s.remaining <= lastBytes) {  // waking a thread would cost more
    ssize_t n = sendLast(s, job->mount->inMemory ? 0 : RWF_NOWAIT);
    if (n > 0) s.count(n);
    if (s.remaining == 0) {
      job->give(static_cast<double>(s.sent));
      return settleNow(job);
    }
  }
  std::shared_ptr<Pool> pool = job->pool;
  pool->add(job, true);  // also on an error: the next sendfile says what it is
}

inline void onWatch(uv_timer_t* timer) {
  auto* loop = static_cast<Loop*>(timer->data);
  for (Job* job : std::vector<Job*>(loop->waiting.begin(), loop->waiting.end())) {
    Send& s = *job->send;
    if (s.ownerIsGone()) {
      endWait(job);
      shutdown(s.socket.number, SHUT_RDWR);
      endJob(job);
    } else if (!uv_is_active(reinterpret_cast<uv_handle_t*>(s.poll))) {
      uv_poll_start(s.poll, UV_WRITABLE, onWritable);
    }
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
  if (loop.waiting.empty()) uv_timer_start(loop.watch, onWatch, watchMs, watchMs);
  loop.waiting.insert(job);
  return true;
}

}  // namespace causeway
