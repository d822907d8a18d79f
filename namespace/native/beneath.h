// Every path goes through here: relative to a root descriptor, never above it, through no symbolic link.
//
// openat2 refuses '..' that leaves, absolute paths and links, but lets aliases through (`./f`, `d/../f`, `d//f`, `d/`), and a NUL cuts
// a C string short. Those are refused by their letters, with EINVAL, before the kernel sees them.
#pragma once
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "identity.h"

namespace causeway {

// A descriptor that closes itself.
struct Fd {
  int number;
  explicit Fd(int n = -1) : number(n) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  Fd(Fd&& o) noexcept : number(o.release()) {}
  ~Fd() { reset(-1); }
  bool ok() const { return number >= 0; }
  int release() {
    int n = number;
    number = -1;
    return n;
  }
  void reset(int n) {
    int saved = errno;
    if (number >= 0) close(number);
    number = n;
    errno = saved;
  }
};

inline bool plainName(const char* name, size_t length) {
  return length > 0 && memchr(name, 0, length) == nullptr && memchr(name, '/', length) == nullptr &&
         !(length == 1 && name[0] == '.') && !(length == 2 && name[0] == '.' && name[1] == '.');
}

// '' is the root itself.
inline bool plainPath(const std::string& path) {
  for (size_t from = 0; !path.empty();) {
    size_t slash = path.find('/', from);
    size_t end = slash == std::string::npos ? path.size() : slash;
    if (!plainName(path.data() + from, end - from)) return false;
    if (slash == std::string::npos) break;
    from = slash + 1;
  }
  return true;
}

// One openat2. EAGAIN has two causes: a rename elsewhere raced with the walk (again at once), or O_NONBLOCK met a lease or a
// delegation that is being called back from its holder (again in some milliseconds; without O_NONBLOCK a planted fifo could hold the
// thread for ever).
inline int openOnce(int directory, const char* name, uint64_t flags, mode_t mode) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.mode = (flags & O_CREAT) ? mode & 07777 : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (int tries = 0;; tries++) {
    long number = syscall(SYS_openat2, directory, name, &how, sizeof how);
    if (number >= 0) return static_cast<int>(number);
    if (errno == EINTR) continue;
    if (errno != EAGAIN || tries >= 72) return -1;
    if (tries >= 8) {
      timespec pause{0, (tries - 7) * 1'000'000L};  // 64 pauses, about 2 s in all
      nanosleep(&pause, nullptr);
      errno = EAGAIN;
    }
  }
}

// An open that needs nothing but the kernel's memory of names, on the root's own mount; -1 whenever it would take more, or fails: then
// openBeneath is to say why. For JavaScript's thread, which must not wait for a disk or a server.
inline int openRemembered(int root, const std::string& path, uint64_t flags) {
#ifdef RESOLVE_CACHED
  if (path.size() > 4000 || !plainPath(path)) return -1;
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV | RESOLVE_CACHED;
  return static_cast<int>(syscall(SYS_openat2, root, path.empty() ? "." : path.c_str(), &how, sizeof how));
#else
  (void)root, (void)path, (void)flags;
  return -1;
#endif
}

// -1 and errno. A path may be longer than the kernel's PATH_MAX (a key of 1,024 slashes is), so it is walked in pieces.
inline int walkBeneath(int root, const std::string& path, uint64_t flags, mode_t mode) {
  giveBack();
  constexpr size_t piece = 4000;
  if (!plainPath(path)) {
    errno = EINVAL;
    return -1;
  }
  Fd held;
  int at = root;
  size_t from = 0;
  while (path.size() - from > piece) {
    size_t slash = path.rfind('/', from + piece);
    if (slash == std::string::npos || slash < from) {
      errno = ENAMETOOLONG;
      return -1;
    }
    int next = openOnce(at, path.substr(from, slash - from).c_str(), O_PATH | O_DIRECTORY, 0);
    if (next < 0) return -1;
    held.reset(next);
    at = next;
    from = slash + 1;
  }
  return openOnce(at, path.empty() ? "." : path.c_str() + from, flags, mode);
}

// ---- Looks of the service's where its capabilities count for nothing -----------------------------------------------------------------
//
// A file server knows uid and groups alone: what CAP_DAC_READ_SEARCH is on a file system of this machine, the way to every file and the sight
// of it, is here the right of whoever owns what is passed and read, step by step. For reading alone. Nothing of root's is reached so.

// Whether this thread may: it has a job of the service's, which users have beside theirs.
inline bool looksByOwners() { return servesUsers && !current; }

inline Who ownerOf(int number) {
  struct stat s;
  bool isNone = fstat(number, &s) || s.st_uid == 0 || s.st_uid == base().identity.uid;
  return isNone ? nullptr : std::make_shared<Identity>(Identity{s.st_uid, s.st_gid, {}});
}

// A name in a directory, without opening what it is of.
inline int stepByOwner(int directory, const char* name, uint64_t flags) {
  int number = openOnce(directory, name, flags | O_PATH, 0), error = errno;
  if (number >= 0 || error != EACCES) return number;
  if (Who owner = ownerOf(directory)) {
    Acting acting(owner);
    if (!acting.error) number = openOnce(directory, name, flags | O_PATH, 0), error = errno;
  }
  errno = error;
  return number;
}

// Until its job ends or opens the next file: an attribute is read by right to the file, not by the descriptor.
inline bool borrow(int number) {
  Who owner = ownerOf(number);
  isBorrowing = owner && become(owner) == 0;
  return isBorrowing;
}

// What was found so, opened by its descriptor: the way to it is no more asked for.
inline int reopenByOwner(int seen, uint64_t flags) {
  std::string path = "/proc/self/fd/" + std::to_string(seen);
  int number = ::open(path.c_str(), static_cast<int>(flags) | O_CLOEXEC), error = errno;
  if (number >= 0 || error != EACCES) return number;
  if (borrow(seen)) {
    number = ::open(path.c_str(), static_cast<int>(flags) | O_CLOEXEC), error = errno;
    if (number < 0) giveBack();
  }
  errno = error;
  return number;
}

inline int openByOwners(int directory, const char* name, uint64_t flags, mode_t mode) {
  int number = openOnce(directory, name, flags, mode);
  if (number >= 0 || errno != EACCES || flags & O_CREAT) return number;
  Fd seen(stepByOwner(directory, name, O_NOFOLLOW | (flags & O_DIRECTORY)));
  if (!seen.ok() || flags & O_PATH) return seen.release();
  struct stat s;
  bool isRead = (flags & O_ACCMODE) == O_RDONLY && fstat(seen.number, &s) == 0 && (S_ISREG(s.st_mode) || S_ISDIR(s.st_mode));
  errno = EACCES;
  return isRead ? reopenByOwner(seen.number, flags) : -1;
}

inline int walkByOwners(int root, const std::string& path, uint64_t flags, mode_t mode) {
  Fd held;
  int at = root;
  size_t from = 0;
  for (size_t slash; (slash = path.find('/', from)) != std::string::npos; from = slash + 1) {
    int next = stepByOwner(at, path.substr(from, slash - from).c_str(), O_DIRECTORY);
    if (next < 0) return -1;
    held.reset(next);
    at = next;
  }
  return openByOwners(at, path.empty() ? "." : path.c_str() + from, flags, mode);
}

inline int openBeneath(int root, const std::string& path, uint64_t flags, mode_t mode = 0) {
  int number = walkBeneath(root, path, flags, mode);
  return number < 0 && errno == EACCES && looksByOwners() ? walkByOwners(root, path, flags, mode) : number;
}

// Of one name in an open directory.
inline int openIn(int directory, const char* name, uint64_t flags) {
  giveBack();
  int number = openOnce(directory, name, flags, 0);
  return number < 0 && errno == EACCES && looksByOwners() ? openByOwners(directory, name, flags, 0) : number;
}

// A path's directory, held open, and its last name: what rename, link, unlink, mkdir and rmdir work on. `parent` is not ok after a
// failure, and errno says why.
struct Place {
  Fd parent;
  std::string name;
  Place(int root, const std::string& path) {
    size_t slash = path.rfind('/');
    name = slash == std::string::npos ? path : path.substr(slash + 1);
    if (name.empty() || !plainPath(path))
      errno = EINVAL;
    else
      parent.reset(openBeneath(root, slash == std::string::npos ? "" : path.substr(0, slash), O_PATH | O_DIRECTORY));
  }
  bool ok() const { return parent.ok(); }
  const char* last() const { return name.c_str(); }
};

constexpr uint64_t readFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
constexpr uint64_t directoryFlags = O_RDONLY | O_DIRECTORY | O_NONBLOCK;

}  // namespace causeway
