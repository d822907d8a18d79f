// The module: JavaScript's arguments in, jobs out. README.md says what it is; native.ts declares it. No S3 in here.
#include <linux/magic.h>
#include <sys/statfs.h>

#include <thread>

#include "digests.h"
#include "publish.h"
#include "send.h"
#include "tree.h"

namespace causeway {
namespace {

// ---- Settling, on JavaScript's thread ------------------------------------------------------------------------------------------------

const char* nameOf(int error) {
  if (error == EOPNOTSUPP) return "ENOTSUP";  // one number, two names
  const char* name = strerrorname_np(error);
  return name ? name : "EUNKNOWN";
}

napi_value text(napi_env env, const char* value, size_t length = NAPI_AUTO_LENGTH) {
  napi_value out = nullptr;
  napi_create_string_utf8(env, value, length, &out);
  return out;
}

napi_value undefined(napi_env env) {
  napi_value out = nullptr;
  napi_get_undefined(env, &out);
  return out;
}

napi_value errorOf(napi_env env, const Job& job) {
  napi_value make = nullptr, error = nullptr;
  napi_value args[3] = {text(env, nameOf(job.error)), text(env, job.syscall), text(env, job.path.data(), job.path.size())};
  napi_get_reference_value(env, job.loop->makeError, &make);
  if (napi_call_function(env, undefined(env), make, 3, args, &error) == napi_pending_exception)
    napi_get_and_clear_last_exception(env, &error);
  return error;
}

napi_value valueOf(napi_env env, Job& job) {
  napi_value out = nullptr;
  switch (job.gives) {
    case Gives::number:
      napi_create_double(env, job.number, &out);
      break;
    case Gives::truth:
      napi_get_boolean(env, job.number != 0, &out);
      break;
    case Gives::bytes:
      napi_create_buffer_copy(env, job.bytes.size(), job.bytes.data(), nullptr, &out);
      break;
    case Gives::packed:
      napi_create_external_arraybuffer(env, job.packed, job.packedBytes, [](napi_env, void* data, void*) { free(data); }, nullptr, &out);
      job.packed = nullptr;
      break;
    case Gives::nothing:
      break;
  }
  return out ? out : undefined(env);
}

void settle(napi_env env, Job* job) {
  Loop& loop = *job->loop;
  napi_handle_scope scope;
  napi_open_handle_scope(env, &scope);
  if (job->settled) job->settled();
  if (job->send && job->send->poll) closeHandle(loop, reinterpret_cast<uv_handle_t*>(job->send->poll));
  if (job->held) napi_delete_reference(env, job->held);
  if (job->error)
    napi_reject_deferred(env, job->deferred, errorOf(env, *job));
  else
    napi_resolve_deferred(env, job->deferred, valueOf(env, *job));
  delete job;
  napi_close_handle_scope(env, scope);
  if (--loop.inFlight == 0) napi_unref_threadsafe_function(env, loop.back);
}

void settleAll(napi_env env, napi_value, void* context, void*) {
  if (!env) return;
  auto* loop = static_cast<Loop*>(context);
  std::vector<Job*> done;
  {
    std::lock_guard<std::mutex> lock(loop->mutex);
    done.swap(loop->done);
  }
  for (Job* job : done)
    if (job->next != Next::writable || !waitWritable(job)) settle(env, job);
}

}  // namespace

void settleNow(Job* job) {
  auto loop = job->loop;
  napi_env env = loop->env;
  napi_handle_scope handles;
  napi_callback_scope turn;
  napi_value resource = nullptr;
  napi_open_handle_scope(env, &handles);
  napi_create_object(env, &resource);
  napi_open_callback_scope(env, resource, loop->turns, &turn);
  settle(env, job);
  napi_close_callback_scope(env, turn);  // what waits for the promise runs here
  napi_close_handle_scope(env, handles);
}

namespace {

// ---- Arguments -----------------------------------------------------------------------------------------------------------------------

std::shared_ptr<Loop> loopOf(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<std::shared_ptr<Loop>*>(data);
}

template <typename T>
napi_value external(napi_env env, std::shared_ptr<T> value) {
  napi_value out = nullptr;
  auto* held = new std::shared_ptr<T>(std::move(value));
  napi_create_external(env, held, [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<T>*>(data); }, nullptr, &out);
  return out;
}

struct Bytes {
  uint8_t* data = nullptr;
  size_t length = 0;
};

// One call from JavaScript. A job's first two arguments are the mount and the identity; its own begin at 2. native.ts is the only caller,
// so an argument of a wrong type is our own mistake and throws.
class Call {
 public:
  napi_env env;
  std::shared_ptr<Loop> loop;
  std::shared_ptr<Mount> mount;

  Call(napi_env e, napi_callback_info info, bool onMount = true) : env(e), loop(loopOf(e)) {
    size_t count = sizeof args_ / sizeof *args_;
    napi_get_cb_info(env, info, &count, args_, nullptr, nullptr);
    if (!onMount) return;
    mount = held<Mount>(0);
    static auto& none = *new std::shared_ptr<Mount>(std::make_shared<Mount>());
    if (!mount) mount = none;  // bad_ is set: start() throws
    who_ = identity(1);
  }

  // Undefined is the service.
  Who identity(int i) {
    if (type(i) == napi_undefined) return nullptr;
    Bytes words = bytes(i);
    auto* w = reinterpret_cast<uint32_t*>(words.data);
    if (bad_ || words.length < 8) {
      bad_ = true;
      return nullptr;
    }
    // uid 0 would get everything when the process is root; -1 is what reads the present value back.
    if (w[0] == 0 || w[0] == UINT32_MAX || w[1] == UINT32_MAX) refused_ = EPERM;
    return std::make_shared<Identity>(Identity{w[0], w[1], std::vector<uint32_t>(w + 2, w + words.length / 4)});
  }

  napi_valuetype type(int i) {
    napi_valuetype kind = napi_undefined;
    napi_typeof(env, args_[i], &kind);
    return kind;
  }
  template <typename T>
  std::shared_ptr<T> held(int i) {
    void* data = nullptr;
    if (napi_get_value_external(env, args_[i], &data) != napi_ok) bad_ = true;
    return data ? *static_cast<std::shared_ptr<T>*>(data) : nullptr;
  }
  // By length, not up to the first NUL.
  std::string string(int i) {
    size_t length = 0;
    std::string out;
    if (napi_get_value_string_utf8(env, args_[i], nullptr, 0, &length) != napi_ok) bad_ = true;
    out.resize(length + 1);
    napi_get_value_string_utf8(env, args_[i], out.data(), length + 1, &length);
    out.resize(length);
    return out;
  }
  double number(int i) {
    double out = 0;
    if (napi_get_value_double(env, args_[i], &out) != napi_ok) bad_ = true;
    return out;
  }
  int64_t integer(int i) {
    int64_t out = 0;
    bool lossless = true;
    napi_status status = type(i) == napi_bigint ? napi_get_value_bigint_int64(env, args_[i], &out, &lossless)
                                                : napi_get_value_int64(env, args_[i], &out);
    if (status != napi_ok || !lossless) bad_ = true;
    return out;
  }
  bool truth(int i) {
    bool out = false;
    if (napi_get_value_bool(env, args_[i], &out) != napi_ok) bad_ = true;
    return out;
  }
  // Of any typed array; `length` in bytes.
  Bytes bytes(int i) {
    Bytes out;
    napi_typedarray_type kind;
    void* data = nullptr;
    size_t offset = 0;
    if (napi_get_typedarray_info(env, args_[i], &kind, &out.length, &data, nullptr, &offset) != napi_ok) {
      bad_ = true;
      return out;
    }
    out.data = static_cast<uint8_t*>(data);
    if (kind == napi_uint32_array) out.length *= 4;
    return out;
  }
  napi_value raw(int i) { return args_[i]; }
  // No identity was given: the process's own is meant, which is this thread's too.
  bool isService() const { return !refused_ && !who_; }
  bool bad() {
    if (bad_) napi_throw_type_error(env, nullptr, "causeway addon: wrong arguments");
    return bad_;
  }

  // Adds the job and answers its promise. `keep`: an argument whose memory the job uses.
  napi_value start(std::shared_ptr<Pool> pool, std::string path, std::function<void(Job&)> work, int keep = -1,
                   std::function<void()> settled = nullptr, std::shared_ptr<Send> send = nullptr) {
    if (bad()) return nullptr;
    napi_value promise = nullptr;
    auto* job = new Job();
    if (napi_create_promise(env, &job->deferred, &promise) != napi_ok) {
      delete job;
      return nullptr;
    }
    if (keep >= 0) napi_create_reference(env, args_[keep], 1, &job->held);
    pool = mount->poolFor(pool, who_);
    job->loop = loop;
    job->pool = pool;
    job->mount = mount;
    job->who = who_;
    job->path = std::move(path);
    job->work = std::move(work);
    job->settled = std::move(settled);
    job->send = std::move(send);
    job->addedMs = nowMs();
    if (loop->inFlight++ == 0) napi_ref_threadsafe_function(env, loop->back);
    if (refused_ || mount->closed) {
      if (refused_)
        job->fail("setfsuid", refused_);
      else
        job->fail("openat2", EBADF);
      loop->finished(job);
    } else {
      pool->add(job, true);
    }
    return promise;
  }

 private:
  napi_value args_[12];
  Who who_;
  int refused_ = 0;
  bool bad_ = false;
};

// ---- Calls by path -------------------------------------------------------------------------------------------------------------------

napi_value find(napi_env env, napi_callback_info info) {
  Call c(env, info);
  auto attribute = c.string(3);
  auto bodyMax = c.integer(4);
  auto keepOpen = c.truth(5);
  return c.start(c.mount->pool, c.string(2), [=](Job& j) {
    unlessStale(j, [&] { findWork(j, j.mount->root.number, attribute, bodyMax, keepOpen); });
  });
}

// `find` at once, or undefined when a thread is needed: on a network mount, under a user's identity, for what is not in memory.
napi_value findNow(napi_env env, napi_callback_info info) {
  Call c(env, info);
  auto path = c.string(2), attribute = c.string(3);
  auto bodyMax = c.integer(4);
  auto keepOpen = c.truth(5);
  if (c.bad()) return nullptr;
  Mount& mount = *c.mount;
  std::vector<uint8_t> out;
  if (!mount.atOnce || !mount.isLocal || mount.closed || !c.isService()) return undefined(env);
  if (!findRemembered(path, mount.root.number, attribute, bodyMax, keepOpen, mount.inMemory, out)) return undefined(env);
  napi_value bytes = nullptr;
  napi_create_buffer_copy(env, out.size(), out.data(), nullptr, &bytes);
  return bytes;
}

// Regular files and directories only: whatever else stands there is closed again, ENXIO.
void openWork(Job& j, uint64_t flags, mode_t mode) {
  Fd fd(openBeneath(j.mount->root.number, j.path, flags | O_NONBLOCK | O_NOCTTY, mode));
  if (!fd.ok()) return j.fail("openat2");
  struct stat s;
  if (fstat(fd.number, &s)) return j.fail("fstat");
  if (flags & O_DIRECTORY ? !S_ISDIR(s.st_mode) : !S_ISREG(s.st_mode)) return j.fail("openat2", S_ISDIR(s.st_mode) ? EISDIR : ENXIO);
  j.give(static_cast<double>(fd.release()));
}

napi_value open(napi_env env, napi_callback_info info) {
  Call c(env, info);
  constexpr uint64_t hows[3] = {O_RDONLY, O_RDWR, O_RDONLY | O_DIRECTORY};
  uint64_t flags = hows[c.integer(3) % 3];
  return c.start(c.mount->pool, c.string(2), [=](Job& j) { unlessStale(j, [&] { openWork(j, flags, 0); }); });
}

napi_value create(napi_env env, napi_callback_info info) {
  Call c(env, info);
  auto mode = static_cast<mode_t>(c.integer(3));
  uint64_t flags = O_RDWR | O_CREAT | (c.truth(4) ? O_EXCL : 0);
  return c.start(c.mount->pool, c.string(2), [=](Job& j) { unlessStale(j, [&] { openWork(j, flags, mode); }); });
}

napi_value statPath(napi_env env, napi_callback_info info) {
  Call c(env, info);
  return c.start(c.mount->pool, c.string(2), [](Job& j) {
    unlessStale(j, [&] {
      Fd fd(openBeneath(j.mount->root.number, j.path, O_PATH | O_NOFOLLOW));
      if (!fd.ok()) return nothingThere(errno) ? void() : j.fail("openat2");
      struct stat s;
      if (fstat(fd.number, &s)) return j.fail("fstat");
      giveRow(j, s);
    });
  });
}

napi_value flushDirectoryAt(napi_env env, napi_callback_info info) {
  Call c(env, info);
  return c.start(c.mount->pool, c.string(2), [](Job& j) {
    Fd fd(openBeneath(j.mount->root.number, j.path, directoryFlags));
    if (!fd.ok()) return j.fail("openat2");
    if (flushDirectory(fd.number)) j.fail("fsync");
  });
}

// Two paths: rename and link. The error names the source of a rename, the target of a link.
napi_value moveOrLink(Call& c, bool link) {
  auto source = c.string(2), target = c.string(3);
  return c.start(c.mount->pool, link ? target : source, [=](Job& j) {
    Place from(j.mount->root.number, source);
    if (!from.ok()) return j.fail("openat2");
    Place to(j.mount->root.number, target);
    if (!to.ok()) return j.fail("openat2");
    if (link && linkat(from.parent.number, from.last(), to.parent.number, to.last(), 0)) return j.fail("linkat");
    if (!link && renameat(from.parent.number, from.last(), to.parent.number, to.last())) return j.fail("renameat");
  });
}
napi_value rename(napi_env env, napi_callback_info info) {
  Call c(env, info);
  return moveOrLink(c, false);
}
napi_value link(napi_env env, napi_callback_info info) {
  Call c(env, info);
  return moveOrLink(c, true);
}

// A link from where one identity reaches to where another may write, such as from a user's directory into the service's. By descriptor, so that
// the way to the file is one's right, and the new name the other's; with the service's rights to the names of others' files, since the new name
// opens the file to nobody.
napi_value linkAcross(napi_env env, napi_callback_info info) {
  Call c(env, info);
  Who finder = c.identity(2), maker = c.identity(4);
  auto source = c.string(3);
  return c.start(c.mount->pool, c.string(5), [=](Job& j) {
    Fd file;
    {
      Acting acting(finder);
      if (acting.error) return j.fail("setfsuid", acting.error);
      file.reset(openBeneath(j.mount->root.number, source, O_PATH | O_NOFOLLOW));
      if (!file.ok()) return j.fail("openat2");
    }
    Acting acting(maker);
    if (acting.error) return j.fail("setfsuid", acting.error);
    Place to(j.mount->root.number, j.path);
    if (!to.ok()) return j.fail("openat2");
    if (int error = acting.serve()) return j.fail("capset", error);
    if (linkat(file.number, "", to.parent.number, to.last(), AT_EMPTY_PATH)) j.fail("linkat");
  });
}

// Of the directory itself: whether names may be made and taken away in it. By the file system's own word: ACLs and what a server says count.
napi_value mayWriteIn(napi_env env, napi_callback_info info) {
  Call c(env, info);
  return c.start(c.mount->pool, c.string(2), [](Job& j) {
    Fd fd(openBeneath(j.mount->root.number, j.path, O_PATH | O_DIRECTORY));
    if (!fd.ok()) return errno == EACCES ? j.give(false) : j.fail("openat2");
    if (syscall(SYS_faccessat2, fd.number, "", W_OK | X_OK, AT_EACCESS | AT_EMPTY_PATH) == 0) return j.give(true);
    if (errno == EACCES || errno == EROFS) return j.give(false);
    j.fail("faccessat2");
  });
}

napi_value removeAt(Call& c, int flags) {
  return c.start(c.mount->pool, c.string(2), [=](Job& j) {
    Place place(j.mount->root.number, j.path);
    if (!place.ok()) return errno == ENOENT || errno == ENOTDIR ? j.give(false) : j.fail("openat2");
    if (unlinkat(place.parent.number, place.last(), flags) == 0) return j.give(true);
    if (errno == ENOENT) return j.give(false);
    j.fail("unlinkat", errno == EEXIST ? ENOTEMPTY : errno);  // POSIX allows both for a directory that is not empty
  });
}
napi_value unlink(napi_env env, napi_callback_info info) {
  Call c(env, info);
  return removeAt(c, 0);
}
napi_value removeDirectory(napi_env env, napi_callback_info info) {
  Call c(env, info);
  return removeAt(c, AT_REMOVEDIR);
}

napi_value makeDirectory(napi_env env, napi_callback_info info) {
  Call c(env, info);
  auto mode = static_cast<mode_t>(c.integer(3));
  return c.start(c.mount->pool, c.string(2), [=](Job& j) {
    Place place(j.mount->root.number, j.path);
    if (!place.ok()) return j.fail("openat2");
    if (mkdirat(place.parent.number, place.last(), mode) == 0) return j.give(true);
    int error = errno;
    struct stat s;
    if (error == EEXIST && fstatat(place.parent.number, place.last(), &s, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(s.st_mode)) return j.give(false);
    j.fail("mkdirat", error);
  });
}

napi_value scan(napi_env env, napi_callback_info info) {
  Call c(env, info);
  return c.start(c.mount->pool, c.string(2), [](Job& j) { unlessStale(j, [&] { scanWork(j, j.mount->root.number); }); });
}

napi_value statMany(napi_env env, napi_callback_info info) {
  Call c(env, info);
  Bytes names = c.bytes(3), ends = c.bytes(4);
  auto attribute = c.string(5);
  if (c.bad()) return nullptr;
  std::string packed(reinterpret_cast<char*>(names.data), names.length);
  auto* e = reinterpret_cast<uint32_t*>(ends.data);
  std::vector<uint32_t> ended(e, e + ends.length / 4);
  uint32_t before = 0;
  for (uint32_t end : ended) {
    if (end < before || end > packed.size()) return napi_throw_range_error(env, nullptr, "causeway addon: ends"), nullptr;
    before = end;
  }
  return c.start(c.mount->pool, c.string(2), [=](Job& j) { statManyWork(j, j.mount->root.number, packed, ended, attribute); });
}

napi_value publish(napi_env env, napi_callback_info info) {
  Call c(env, info);
  Publish p;
  p.fd = static_cast<int>(c.integer(2));
  p.temporary = c.string(3);
  p.target = c.string(4);
  p.mtimeNs = c.integer(5);
  if (c.type(6) != napi_undefined) {
    p.attribute = c.string(6);
    Bytes value = c.bytes(7);
    p.value.assign(value.data, value.data + value.length);
  }
  p.flushFile = c.truth(8);
  p.replace = c.truth(9);
  p.flushDirectory = c.truth(10);
  return c.start(c.mount->pool, p.target, [p](Job& j) { publishWork(j, j.mount->root.number, p); });
}

napi_value space(napi_env env, napi_callback_info info) {
  Call c(env, info);
  return c.start(c.mount->pool, "", [](Job& j) {
    struct statfs s;
    if (fstatfs(j.mount->root.number, &s)) return j.fail("fstatfs");
    double unit = static_cast<double>(s.f_frsize ? s.f_frsize : s.f_bsize);
    double both[2] = {unit * static_cast<double>(s.f_blocks), unit * static_cast<double>(s.f_bavail)};
    auto* bytes = reinterpret_cast<uint8_t*>(both);
    j.bytes.assign(bytes, bytes + sizeof both);
    j.gives = Gives::bytes;
  });
}

// ---- Calls by descriptor: mount, identity, descriptor, path for errors, … -----------------------------------------------------------------

int descriptor(Call& c) { return static_cast<int>(c.integer(2)); }

// Not retried after EINTR: Linux has let go of the descriptor by then. NFS reports here what a delayed write met (EDQUOT, ENOSPC).
napi_value closeFile(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c);
  return c.start(c.mount->pool, c.string(3), [=](Job& j) {
    if (close(fd) && errno != EINTR) j.fail("close");
  });
}

// Is the file of this descriptor one that this thread may ask the kernel about? A bucket may lie on a network mount below a local root.
bool isAtHand(const Mount& mount, int fd, struct stat& s) {
  return mount.atOnce && mount.isLocal && !mount.closed && fstat(fd, &s) == 0 && s.st_dev == mount.device;
}

// `close` at once: true when it is done, false when a thread is needed. The last close of a file without a name frees its blocks, which
// takes its time.
napi_value closeNow(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c);
  if (c.bad()) return nullptr;
  struct stat s;
  bool done = isAtHand(*c.mount, fd, s) && s.st_nlink > 0;
  if (done) close(fd);  // no local file system of those that are at hand reports anything here
  napi_value truth = nullptr;
  napi_get_boolean(env, done, &truth);
  return truth;
}

napi_value statFile(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c);
  return c.start(c.mount->pool, c.string(3), [=](Job& j) {
    struct stat s;
    if (fstat(fd, &s)) return j.fail("fstat");
    giveRow(j, s);
  });
}

napi_value read(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c);
  Bytes into = c.bytes(4);
  auto position = c.integer(5);
  return c.start(c.mount->pool, c.string(3), [=](Job& j) {
    ssize_t n = readFully(fd, into.data, into.length, position);
    if (n < 0) return j.fail("read");
    j.give(static_cast<double>(n));
  }, 4);
}

// Marks the hasher busy until the job has settled; throws when it is.
bool engage(Call& c, const std::shared_ptr<Hasher>& hasher) {
  if (c.bad()) return false;
  if (hasher->busy) {
    napi_throw_error(c.env, nullptr, "causeway addon: a hasher takes one update at a time");
    return false;
  }
  hasher->busy = true;
  return true;
}

// On the writers' threads, so that hashing never stands before look-ups; the mount's own, so that one that hangs stops no other's.
napi_value write(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c);
  Bytes chunk = c.bytes(4);
  auto position = c.integer(5);
  auto path = c.string(3);
  std::shared_ptr<Hasher> hasher = c.type(6) == napi_undefined ? nullptr : c.held<Hasher>(6);
  if (hasher && !engage(c, hasher)) return nullptr;
  auto work = [=](Job& j) {
    if (!writeFully(fd, chunk.data, chunk.length, position)) return j.fail("write");
    if (hasher) hasher->update(chunk.data, chunk.length);
  };
  return c.start(c.mount->writers, path, work, 4, hasher ? [hasher] { hasher->busy = false; } : std::function<void()>());
}

// Reads a range of an open file into a hasher: bytes read, fewer when the file ends.
napi_value hashRange(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c);
  auto offset = c.integer(4), length = c.integer(5);
  auto path = c.string(3);
  auto hasher = c.held<Hasher>(6);
  if (!engage(c, hasher)) return nullptr;
  auto work = [=](Job& j) {
    std::vector<uint8_t> buffer(static_cast<size_t>(std::min<int64_t>(std::max<int64_t>(length, 0), 256 * 1024)));
    int64_t done = 0;
    while (done < length && !j.loop->dead) {
      ssize_t n = readFully(fd, buffer.data(), static_cast<size_t>(std::min<int64_t>(length - done, static_cast<int64_t>(buffer.size()))), offset + done);
      if (n < 0) return j.fail("read");
      if (n == 0) break;
      hasher->update(buffer.data(), static_cast<size_t>(n));
      done += n;
    }
    j.give(static_cast<double>(done));
  };
  return c.start(c.mount->writers, path, work, -1, [hasher] { hasher->busy = false; });
}

napi_value truncate(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c);
  auto size = c.integer(4);
  return c.start(c.mount->pool, c.string(3), [=](Job& j) {
    if (ftruncate(fd, size)) j.fail("ftruncate");
  });
}

napi_value flush(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c);
  return c.start(c.mount->pool, c.string(3), [=](Job& j) {
    if (fsync(fd)) j.fail("fsync");
  });
}

napi_value modified(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c);
  auto mtimeNs = c.integer(4);
  return c.start(c.mount->pool, c.string(3), [=](Job& j) {
    if (setModified(fd, mtimeNs)) j.fail("futimens");
  });
}

// Of an open file, whoever has opened it: by the file system's own word, as mayWriteIn.
napi_value may(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c), want = c.truth(4) ? W_OK : R_OK;
  return c.start(c.mount->pool, c.string(3), [=](Job& j) {
    if (syscall(SYS_faccessat2, fd, "", want, AT_EACCESS | AT_EMPTY_PATH) == 0) return j.give(true);
    if (errno == EACCES || errno == EROFS) return j.give(false);
    j.fail("faccessat2");
  });
}

napi_value setMode(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c);
  auto mode = static_cast<mode_t>(c.integer(4));
  return c.start(c.mount->pool, c.string(3), [=](Job& j) {
    if (fchmod(fd, mode)) j.fail("fchmod");
  });
}

napi_value readAttribute(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c);
  auto name = c.string(4);
  return c.start(c.mount->pool, c.string(3), [=](Job& j) {
    int length = appendAttribute(fd, name.c_str(), j.bytes);
    if (length == -2 && errno == EACCES && looksByOwners() && borrow(fd)) length = appendAttribute(fd, name.c_str(), j.bytes);
    if (length == -2) return j.fail("fgetxattr");
    if (length >= 0) j.gives = Gives::bytes;
  });
}

napi_value writeAttribute(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c);
  auto name = c.string(4);
  Bytes value = c.bytes(5);
  std::vector<uint8_t> copy(value.data, value.data + value.length);
  return c.start(c.mount->pool, c.string(3), [=](Job& j) {
    if (fsetxattr(fd, name.c_str(), copy.data(), copy.size(), 0)) j.fail("fsetxattr");
  });
}

napi_value removeAttribute(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c);
  auto name = c.string(4);
  return c.start(c.mount->pool, c.string(3), [=](Job& j) {
    if (fremovexattr(fd, name.c_str()) && errno != ENODATA && errno != EOPNOTSUPP) j.fail("fremovexattr");
  });
}

// On threads of their own: a lock call blocks in the kernel while an NFS server is away, "non-blocking" or not.
enum class Locked { yes, no, failed };

Locked lockByte(int fd, int64_t offset, short kind) {
  struct flock range{};
  range.l_type = kind;
  range.l_whence = SEEK_SET;
  range.l_start = offset;
  range.l_len = 1;
  while (fcntl(fd, F_OFD_SETLK, &range)) {
    if (errno == EINTR) continue;
    return kind != F_UNLCK && (errno == EAGAIN || errno == EACCES) ? Locked::no : Locked::failed;
  }
  return Locked::yes;
}

constexpr short lockKinds[3] = {F_UNLCK, F_RDLCK, F_WRLCK};

napi_value lock(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c);
  auto offset = c.integer(4);
  short kind = lockKinds[c.integer(5) % 3];
  return c.start(c.mount->locks, c.string(3), [=](Job& j) {
    Locked locked = lockByte(fd, offset, kind);
    if (locked == Locked::failed) return j.fail("fcntl");
    j.give(locked == Locked::yes);
  });
}

// `lock` at once, or undefined when a thread is needed: a server may be away. The kernel's own list of locks never makes anybody wait.
napi_value lockNow(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int fd = descriptor(c);
  auto offset = c.integer(4);
  short kind = lockKinds[c.integer(5) % 3];
  if (c.bad()) return nullptr;
  struct stat s;
  if (!isAtHand(*c.mount, fd, s)) return undefined(env);
  Locked locked = lockByte(fd, offset, kind);
  napi_value truth = nullptr;
  if (locked == Locked::failed) return undefined(env);  // once more, by a thread that can say why
  napi_get_boolean(env, locked == Locked::yes, &truth);
  return truth;
}

napi_value clone(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int source = descriptor(c), target = static_cast<int>(c.integer(4));
  return c.start(c.mount->pool, c.string(3), [=](Job& j) {
    if (ioctl(target, FICLONE, source) == 0) return j.give(true);
    if (errno == EOPNOTSUPP || errno == EXDEV || errno == EINVAL || errno == ENOTTY || errno == ENOSYS) return j.give(false);
    // Both are open; but a server asks anew whether this very caller may read the one and write the other.
    if (errno == EACCES) return j.give(false);
    j.fail("ioctl");
  });
}

napi_value copyRange(napi_env env, napi_callback_info info) {
  Call c(env, info);
  int source = descriptor(c), target = static_cast<int>(c.integer(5));
  auto sourceOffset = c.integer(4), targetOffset = c.integer(6), length = c.integer(7);
  return c.start(c.mount->pool, c.string(3), [=](Job& j) { copyWork(j, source, sourceOffset, target, targetOffset, length); });
}

napi_value sendFile(napi_env env, napi_callback_info info) {
  Call c(env, info);
  auto send = std::make_shared<Send>();
  send->file = descriptor(c);
  send->owners = static_cast<int>(c.integer(4));
  send->offset = c.integer(5);
  send->remaining = c.integer(6);
  if (c.bad()) return nullptr;
  int error = 0;
  struct stat s;
  send->socket.reset(fcntl(send->owners, F_DUPFD_CLOEXEC, 0));
  if (!send->socket.ok() || fstat(send->owners, &s))
    error = errno;
  else if (!S_ISSOCK(s.st_mode))
    error = ENOTSOCK;
  else if (!(fcntl(send->owners, F_GETFL) & O_NONBLOCK))
    error = EINVAL;  // would hold a thread for as long as the client likes
  else
    send->identity = s.st_ino, send->isUnix = isUnix(send->owners);
  if (send->isUnix) {
    enlargeBuffer(send->owners);
    send->isAtHand = isAtHand(*c.mount, send->file, s);
  }
  auto work = [=](Job& j) { error ? j.fail("sendfile", error) : sendWork(j); };
  return c.start(c.mount->pool, c.string(3), work, -1, nullptr, send);
}

// ---- Not jobs ------------------------------------------------------------------------------------------------------------------------

napi_value openMount(napi_env env, napi_callback_info info) {
  Call c(env, info, false);
  auto path = c.string(0);
  auto threads = c.integer(1), lockThreads = c.integer(2);
  if (c.bad()) return nullptr;
  int error = path.find('\0') != std::string::npos ? EINVAL : 0;
  auto mount = std::make_shared<Mount>();
  bool userThreads = c.truth(4), byUid = c.truth(5);
  auto service = byUid ? Pool::For::serviceByUid : Pool::For::service;
  mount->pool = std::make_shared<Pool>(static_cast<size_t>(std::max<int64_t>(1, threads)), service);
  mount->locks = std::make_shared<Pool>(static_cast<size_t>(std::max<int64_t>(1, lockThreads)), service);
  size_t hashing = std::max(2u, std::min(8u, std::thread::hardware_concurrency()));
  mount->writers = std::make_shared<Pool>(hashing, service);
  if (userThreads) {
    error = error ? error : mayServeUsers();
    mount->ofUsers[mount->pool] = std::make_shared<Pool>(static_cast<size_t>(std::max<int64_t>(1, threads)), Pool::For::users);
    mount->ofUsers[mount->writers] = std::make_shared<Pool>(hashing, Pool::For::users);
  }
  if (!error) mount->root.reset(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!mount->root.ok()) {
    Job failed;
    failed.loop = c.loop;
    failed.path = path;
    failed.fail("open", error ? error : errno);
    napi_throw(env, errorOf(env, failed));
    return nullptr;
  }
  struct statfs about;
  struct stat root;
  if (fstat(mount->root.number, &root) == 0) mount->device = root.st_dev;
  if (fstatfs(mount->root.number, &about) == 0) {
    mount->inMemory = about.f_type == TMPFS_MAGIC;
    mount->atOnce = c.truth(3);
    mount->isLocal = mount->inMemory || about.f_type == EXT4_SUPER_MAGIC || about.f_type == XFS_SUPER_MAGIC || about.f_type == BTRFS_SUPER_MAGIC;
  }
  auto& pools = c.loop->pools;
  pools.erase(std::remove_if(pools.begin(), pools.end(), [](auto& p) { return p.expired(); }), pools.end());
  for (auto& each : mount->pools()) pools.push_back(each);
  return external(env, mount);
}

napi_value triple(napi_env env, const double (&values)[3]) {
  napi_value out = nullptr;
  napi_create_array_with_length(env, 3, &out);
  for (uint32_t i = 0; i < 3; i++) {
    napi_value value;
    napi_create_double(env, values[i], &value);
    napi_set_element(env, out, i, value);
  }
  return out;
}

// What the process was when it began: uid, and its permitted capabilities, 32 bits each.
napi_value rights(napi_env env, napi_callback_info) {
  const auto& capabilities = base().capabilities;
  double values[3] = {static_cast<double>(base().identity.uid), static_cast<double>(capabilities[0].permitted), static_cast<double>(capabilities[1].permitted)};
  return triple(env, values);
}

napi_value closeMount(napi_env env, napi_callback_info info) {
  Call c(env, info, false);
  auto mount = c.held<Mount>(0);
  if (!c.bad()) mount->close();
  return undefined(env);
}

napi_value isLocal(napi_env env, napi_callback_info info) {
  Call c(env, info, false);
  auto mount = c.held<Mount>(0);
  if (c.bad()) return nullptr;
  napi_value answer;
  napi_get_boolean(env, mount->isLocal, &answer);
  return answer;
}

napi_value load(napi_env env, napi_callback_info info) {
  Call c(env, info, false);
  auto mount = c.held<Mount>(0);
  if (c.bad()) return nullptr;
  double values[3] = {0, 0, 0};
  for (auto& pool : mount->pools()) {
    auto load = pool->load();
    values[0] += static_cast<double>(load.queued);
    values[1] += static_cast<double>(load.running);
    values[2] = std::max(values[2], static_cast<double>(load.oldestMs));
  }
  return triple(env, values);
}

napi_value createHasher(napi_env env, napi_callback_info info) {
  Call c(env, info, false);
  auto which = static_cast<unsigned>(c.integer(0));
  return c.bad() ? nullptr : external(env, std::make_shared<Hasher>(which));
}

napi_value endOf(napi_env env, Hasher& hasher) {
  std::vector<uint8_t> value;
  napi_value out = nullptr;
  if (!hasher.end(value)) return napi_throw_error(env, "ENOTSUP", "a digest is not available in this OpenSSL"), nullptr;
  napi_create_buffer_copy(env, value.size(), value.data(), nullptr, &out);
  return out;
}

napi_value endHasher(napi_env env, napi_callback_info info) {
  Call c(env, info, false);
  auto hasher = c.held<Hasher>(0);
  if (!engage(c, hasher)) return nullptr;  // and stays so: ended
  return endOf(env, *hasher);
}

napi_value digest(napi_env env, napi_callback_info info) {
  Call c(env, info, false);
  auto which = static_cast<unsigned>(c.integer(0));
  Bytes of = c.bytes(1);
  bool portable = c.truth(2);
  if (c.bad()) return nullptr;
  Hasher hasher(which, portable);
  hasher.update(of.data, of.length);
  return endOf(env, hasher);
}

napi_value setErrorMaker(napi_env env, napi_callback_info info) {
  Call c(env, info, false);
  if (c.loop->makeError) napi_delete_reference(env, c.loop->makeError);
  napi_create_reference(env, c.raw(0), 1, &c.loop->makeError);
  return undefined(env);
}

// ---- The environment's end -----------------------------------------------------------------------------------------------------------

// Running jobs read and write memory of JavaScript's that is about to go. A worker thread's end waits for them as long as it takes; the
// process's own end waits a second, because a job may hang on a dead mount for ever and the memory goes with the process.
void leave(napi_async_cleanup_hook_handle hook, void* data) {
  std::shared_ptr<Loop> loop = *static_cast<std::shared_ptr<Loop>*>(data);
  std::vector<Job*> lost;
  {
    std::unique_lock<std::shared_mutex> alone(loop->living);
    loop->dead = true;
    std::lock_guard<std::mutex> lock(loop->mutex);
    lost.swap(loop->done);
  }
  bool process = loop->uv == uv_default_loop();
  for (auto& weak : loop->pools)
    if (auto pool = weak.lock()) pool->abandon(process ? 1000 : -1);
  for (Job* job : lost) delete job;
  for (Job* job : loop->waiting) {
    uv_poll_stop(job->send->poll);
    delete job;
  }
  loop->waiting.clear();
  loop->left = [loop, hook] {
    auto keep = loop;
    napi_remove_async_cleanup_hook(hook);
    keep->left = nullptr;
  };
  for (auto* handle : std::vector<uv_handle_t*>(loop->handles.begin(), loop->handles.end())) closeHandle(*loop, handle);
  if (loop->handles.empty()) loop->left();
}

}  // namespace

napi_value init(napi_env env, napi_value exports) {
  base();
  auto* held = new std::shared_ptr<Loop>(std::make_shared<Loop>());
  Loop& loop = **held;
  loop.env = env;
  napi_get_uv_event_loop(env, &loop.uv);
  napi_set_instance_data(env, held, [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Loop>*>(data); }, nullptr);
  napi_create_threadsafe_function(env, nullptr, nullptr, text(env, "causeway"), 0, 1, nullptr, nullptr, &loop, settleAll, &loop.back);
  napi_unref_threadsafe_function(env, loop.back);
  napi_async_init(env, nullptr, text(env, "causeway"), &loop.turns);
  napi_add_async_cleanup_hook(env, leave, held, nullptr);  // after the function above, so that it runs before that one's own

  const std::pair<const char*, napi_callback> calls[] = {
      {"find", find}, {"findNow", findNow}, {"open", open}, {"create", create}, {"statPath", statPath}, {"flushDirectory", flushDirectoryAt},
      {"rename", rename}, {"link", link}, {"linkAcross", linkAcross}, {"mayWriteIn", mayWriteIn}, {"may", may}, {"unlink", unlink}, {"removeDirectory", removeDirectory}, {"makeDirectory", makeDirectory},
      {"scan", scan}, {"statMany", statMany}, {"publish", publish}, {"space", space}, {"close", closeFile}, {"closeNow", closeNow}, {"stat", statFile},
      {"read", read}, {"write", write}, {"hashRange", hashRange}, {"truncate", truncate}, {"flush", flush}, {"setModified", modified}, {"setMode", setMode}, {"rights", rights},
      {"readAttribute", readAttribute}, {"writeAttribute", writeAttribute}, {"removeAttribute", removeAttribute}, {"lock", lock}, {"lockNow", lockNow},
      {"clone", clone}, {"copyRange", copyRange}, {"sendFile", sendFile}, {"openMount", openMount}, {"closeMount", closeMount},
      {"isLocal", isLocal}, {"load", load}, {"createHasher", createHasher}, {"endHasher", endHasher}, {"digest", digest}, {"setErrorMaker", setErrorMaker},
  };
  // napi_default_jsproperty: the default makes exports non-enumerable, which spreads and mocks then lose.
  for (auto& [name, call] : calls) {
    napi_property_descriptor property{name, nullptr, call, nullptr, nullptr, nullptr, napi_default_jsproperty, nullptr};
    napi_define_properties(env, exports, 1, &property);
  }
  return exports;
}

}  // namespace causeway

NAPI_MODULE_INIT() { return causeway::init(env, exports); }
