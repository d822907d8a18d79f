// Jobs, the threads that run them, and the way back to JavaScript.
//
// JavaScript's thread makes a Job and adds it to a Pool; a pool thread takes on the job's identity, runs `work` and hands the job to its
// Loop; JavaScript's thread settles the promise. `work` touches no JavaScript value.
#pragma once
#include <node_api.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <uv.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <vector>

#include "beneath.h"
#include "identity.h"

namespace causeway {

struct Job;
struct Send;
class Pool;

inline int64_t nowMs() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1'000'000;
}

// One per environment (the main thread, each worker thread). Held by every job and thread, so it outlives the environment.
struct Loop : std::enable_shared_from_this<Loop> {
  napi_env env = nullptr;
  uv_loop_t* uv = nullptr;
  napi_threadsafe_function back = nullptr;
  napi_async_context turns = nullptr;  // of what comes from the loop itself, see settleNow
  napi_ref makeError = nullptr;
  std::vector<std::weak_ptr<Pool>> pools;  // all of this environment
  size_t inFlight = 0;                   // promises not settled yet

  // Sockets that are waited for, see send.h.
  std::set<uv_handle_t*> handles;
  std::set<Job*> waiting;
  uv_timer_t* watch = nullptr;
  std::function<void()> left;  // set when the environment goes: called once all handles are closed

  std::atomic<bool> dead{false};  // long jobs look at it and stop
  std::shared_mutex living;       // held shared by who calls `back`, alone by who sets `dead`
  std::mutex mutex;               // of `done`
  std::vector<Job*> done;

  // From any thread. Wakes JavaScript once per batch, not once per job.
  void finished(Job* job);
};

// How a job's result becomes a JavaScript value.
enum class Gives { nothing, number, truth, bytes, packed };
// What to do with a job whose work returned: settle its promise, run it again, or wait until its socket takes more.
enum class Next { settle, again, writable };

struct Job {
  std::shared_ptr<Loop> loop;
  std::shared_ptr<Pool> pool;
  std::shared_ptr<struct Mount> mount;
  Who who;
  std::string path;  // the one named in an error
  std::function<void(Job&)> work;
  Next next = Next::settle;
  int64_t addedMs = 0;

  Gives gives = Gives::nothing;
  double number = 0;  // also the truth
  std::vector<uint8_t> bytes;
  void* packed = nullptr;  // malloc'ed, becomes an ArrayBuffer without a copy
  size_t packedBytes = 0;
  int error = 0;
  const char* syscall = "";

  std::shared_ptr<Send> send;
  std::function<void()> settled;  // on JavaScript's thread, before the promise is settled
  napi_deferred deferred = nullptr;
  napi_ref held = nullptr;  // memory of JavaScript's that `work` reads or writes

  ~Job() { free(packed); }
  void fail(const char* call, int code = errno) {
    error = code;
    syscall = call;
  }
  void give(double value) {
    gives = Gives::number;
    number = value;
  }
  void give(bool value) {
    gives = Gives::truth;
    number = value;
  }
};

class Pool : public std::enable_shared_from_this<Pool> {
 public:
  // `forUsers`: its threads give up what is the service's alone, so that no job of theirs can have it.
  explicit Pool(size_t most, bool forUsers = false) : most_(most), forUsers_(forUsers) {}

  // On JavaScript's thread `mayStart`; a pool thread must not start another, which would inherit a user's identity. The caller holds the
  // pool: the job may be done, and its own hold gone, before this returns.
  void add(Job* job, bool mayStart) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (abandoned_) {
      lock.unlock();
      delete job;
      return;
    }
    queue_.push_back(job);
    if (queue_.size() > idle_ && mayStart && threads_ < most_ && !start() && threads_ == 0) {
      queue_.pop_back();
      lock.unlock();
      job->fail("pthread_create", EAGAIN);
      job->next = Next::settle;
      job->loop->finished(job);
      return;
    }
    bool sleeps = idle_ > 0;
    lock.unlock();
    if (sleeps) wake_.notify_one();  // without the lock, which is what the woken thread asks for first
  }

  // No more jobs will come but those of sends under way; threads end when the queue is empty.
  void close() {
    std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
    wake_.notify_all();
  }

  // The environment goes away, and with it the memory that jobs read and write: drop what is queued, wait for what runs.
  void abandon(int64_t waitMs) {
    std::unique_lock<std::mutex> lock(mutex_);
    closing_ = abandoned_ = true;
    std::deque<Job*> dropped;
    dropped.swap(queue_);
    wake_.notify_all();
    auto quiet = [this] { return running_.empty(); };
    if (waitMs < 0)
      quiet_.wait(lock, quiet);
    else
      quiet_.wait_for(lock, std::chrono::milliseconds(waitMs), quiet);
    lock.unlock();
    for (Job* job : dropped) delete job;  // not under the lock: a job's mount may close this very pool
  }

  struct Load {
    size_t queued, running;
    int64_t oldestMs;
  };
  Load load() {
    std::lock_guard<std::mutex> lock(mutex_);
    int64_t now = nowMs(), oldest = now;
    for (Job* job : running_) oldest = std::min(oldest, job->addedMs);
    if (!queue_.empty()) oldest = std::min(oldest, queue_.front()->addedMs);
    return {queue_.size(), running_.size(), now - oldest};
  }

 private:
  // Signals stay with the main thread; SIGPIPE of a sendfile into a dead socket is blocked here, whoever ignores it or not.
  bool start() {
    auto* self = new std::shared_ptr<Pool>(shared_from_this());
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 512 * 1024);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int error = pthread_create(&thread, &attributes, run, self);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_attr_destroy(&attributes);
    if (error)
      delete self;
    else
      threads_++;
    return error == 0;
  }

  static void* run(void* argument) {
    std::unique_ptr<std::shared_ptr<Pool>> held(static_cast<std::shared_ptr<Pool>*>(argument));
    Pool& pool = **held;
    if (pool.forUsers_) giveUpService();
    while (Job* job = pool.take()) {
      job->next = Next::settle;
      if (int error = become(job->who))
        job->fail("setfsuid", error);
      else
        job->work(*job);
      bool again = job->next == Next::again;
      pool.release(job, again);
      if (!again) job->loop->finished(job);
    }
    return nullptr;
  }

  Job* take() {
    std::unique_lock<std::mutex> lock(mutex_);
    idle_++;
    wake_.wait(lock, [this] { return !queue_.empty() || closing_; });
    idle_--;
    if (queue_.empty()) {
      threads_--;
      return nullptr;
    }
    Job* job = queue_.front();
    queue_.pop_front();
    running_.push_back(job);
    return job;
  }

  // One step under the lock, so that a job to be run again is always seen as queued or running.
  void release(Job* job, bool again) {
    std::unique_lock<std::mutex> lock(mutex_);
    for (auto& slot : running_)
      if (slot == job) {
        slot = running_.back();
        running_.pop_back();
        break;
      }
    if (again && !abandoned_) queue_.push_back(job);
    if (running_.empty()) quiet_.notify_all();
    bool drop = again && abandoned_;
    lock.unlock();
    if (drop) delete job;
  }

  const size_t most_;
  const bool forUsers_;
  std::mutex mutex_;
  std::condition_variable wake_, quiet_;
  std::deque<Job*> queue_;
  std::vector<Job*> running_;
  size_t threads_ = 0, idle_ = 0;
  bool closing_ = false, abandoned_ = false;
};

// An opened tree. Jobs hold it, so its root stays open until the last one has ended.
struct Mount {
  Fd root;
  std::shared_ptr<Pool> pool, locks, writers;  // `writers` hash and write
  // Where the file system decides what a user may: users' jobs have threads of their own, by the pool that is theirs otherwise.
  std::map<std::shared_ptr<Pool>, std::shared_ptr<Pool>> ofUsers;
  // A file system of this machine: what its caches know may be asked on JavaScript's thread. `inMemory`: it has no disk at all.
  bool isLocal = false, inMemory = false, atOnce = false;
  dev_t device = 0;
  bool closed = false;
  void close() {
    closed = true;
    for (auto& each : pools()) each->close();
  }
  std::vector<std::shared_ptr<Pool>> pools() const {
    std::vector<std::shared_ptr<Pool>> all{pool, locks, writers};
    for (auto& [own, users] : ofUsers) all.push_back(users);
    return all;
  }
  std::shared_ptr<Pool> poolFor(const std::shared_ptr<Pool>& own, const Who& who) const {
    auto users = who ? ofUsers.find(own) : ofUsers.end();
    return users == ofUsers.end() ? own : users->second;
  }
  ~Mount() { close(); }
};

// JavaScript's thread is woken outside of `mutex`, which is the first thing it takes: it would fall asleep again at once.
inline void Loop::finished(Job* job) {
  std::shared_lock<std::shared_mutex> alive(living);
  if (dead) {
    alive.unlock();
    delete job;
    return;
  }
  bool first;
  {
    std::lock_guard<std::mutex> lock(mutex);
    first = done.empty();
    done.push_back(job);
  }
  if (first) napi_call_threadsafe_function(back, nullptr, napi_tsfn_nonblocking);
}

// On JavaScript's thread, from a callback of libuv's: `finished` would have this thread wake itself for a turn later.
void settleNow(Job* job);

}  // namespace causeway
