// Whose rights a job runs with. The kernel keeps fsuid, fsgid, groups and capabilities per thread; glibc's wrappers change all
// threads at once, so everything here is a raw system call. Only pool threads ever switch, never the main thread: threads made
// while it carried a user's identity would inherit it.
#pragma once
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

namespace causeway {

struct Identity {
  uint32_t uid, gid;
  std::vector<uint32_t> groups;
  bool operator==(const Identity& o) const { return uid == o.uid && gid == o.gid && groups == o.groups; }
};

// Null is the process's own identity.
using Who = std::shared_ptr<const Identity>;

// What the process was when the addon was loaded; a later process.setuid() is not seen.
struct Base {
  Identity identity;
  __user_cap_data_struct capabilities[2];
};

inline int capabilities(long call, __user_cap_data_struct* data) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  return static_cast<int>(syscall(call, &header, data));
}

// Leaked on purpose: pool threads outlive static destruction.
inline Base& base() {
  static Base& only = *[] {
    auto* made = new Base();
    made->identity.uid = static_cast<uint32_t>(syscall(SYS_setfsuid, -1));
    made->identity.gid = static_cast<uint32_t>(syscall(SYS_setfsgid, -1));
    long count = syscall(SYS_getgroups, 0, nullptr);
    made->identity.groups.resize(count > 0 ? static_cast<size_t>(count) : 0);
    if (count > 0) syscall(SYS_getgroups, count, made->identity.groups.data());
    capabilities(SYS_capget, made->capabilities);
    return made;
  }();
  return only;
}

// What a thread of users' jobs may still do, for good: switch. Nothing that a mistake in here could raise again.
constexpr uint32_t switching = 1u << CAP_SETUID | 1u << CAP_SETGID;
// What the service has beside: names of others' files (fs.protected_hardlinks), and the way to them. Never CAP_DAC_OVERRIDE.
constexpr uint32_t serving = 1u << CAP_FOWNER | 1u << CAP_DAC_READ_SEARCH;

// At the start of a thread that only ever runs users' jobs. A thread that keeps more must not run any.
inline thread_local bool isForUsers = false;
inline void giveUpService() {
  __user_cap_data_struct data[2] = {};
  data[0].effective = data[0].permitted = base().capabilities[0].permitted & switching;
  if (capabilities(SYS_capset, data)) {
    fputs("causeway: a thread could not give up the service's capabilities\n", stderr);
    abort();
  }
  isForUsers = true;
}

// setfsuid and setfsgid never report an error, so what they did is read back. A user's job keeps two capabilities, those it takes
// to leave it again: a process that holds CAP_DAC_OVERRIDE without being root would otherwise open every file for everybody
// (the kernel drops nothing when neither fsuid is 0), and CAP_SYS_RESOURCE would pass quotas.
inline int assume(const Identity& to, bool own, bool& changed) {
  if (syscall(SYS_setgroups, static_cast<long>(to.groups.size()), to.groups.data()))
    return errno == EPERM ? ENOTSUP : errno;
  changed = true;
  syscall(SYS_setfsgid, to.gid);
  syscall(SYS_setfsuid, to.uid);
  if (static_cast<uint32_t>(syscall(SYS_setfsgid, -1)) != to.gid || static_cast<uint32_t>(syscall(SYS_setfsuid, -1)) != to.uid)
    return ENOTSUP;
  if (isForUsers) return 0;  // it has nothing else
  __user_cap_data_struct data[2] = {base().capabilities[0], base().capabilities[1]};
  if (!own) {
    data[0].effective = data[0].permitted & switching;
    data[1].effective = 0;
  }
  return capabilities(SYS_capset, data) ? errno : 0;
}

// A process that may be two: an ordinary account that can switch and has no right to pass permissions. 0, or EPERM.
inline int mayServeUsers() {
  const auto& low = base().capabilities[0];
  bool overrides = (low.permitted | low.effective | low.inheritable) & 1u << CAP_DAC_OVERRIDE;
  bool isRoot = base().identity.uid == 0 || getuid() == 0 || geteuid() == 0;
  return isRoot || overrides || (low.permitted & switching) != switching || (low.permitted & serving) != serving ? EPERM : 0;
}

// Makes this thread `who`; it stays so until a job asks for somebody else. 0, or an errno (ENOTSUP: this process may not switch), and
// then the thread is the process itself again. A thread that could not go back must never run another job.
inline int become(const Who& who) {
  static thread_local Who current;
  if (who == current || (who && current && *who == *current)) return 0;
  bool changed = current != nullptr;
  int error = who ? assume(*who, false, changed) : 0;
  if (who && !error) {
    current = who;
    return 0;
  }
  // A thread for users runs nothing as the service, and asks anew for each job from here on.
  if (changed && !isForUsers && assume(base().identity, true, changed)) {
    fputs("causeway: a thread could not return to the service's identity\n", stderr);
    abort();
  }
  current = nullptr;
  return error;
}

// In the middle of a service's job: this thread is `who` for as long as this lives. `error` is an errno when it could not be. Null is the
// service itself, and nothing changes.
class Acting {
 public:
  int error = 0;
  explicit Acting(const Who& who) : who_(who) {
    if (who_) error = become(who_);
  }
  Acting(const Acting&) = delete;
  ~Acting() {
    if (who_) become(nullptr);
  }
  // The service's rights to names and ways, beside the user's own: still not to write where the user may not.
  int serve() {
    if (!who_) return 0;
    __user_cap_data_struct data[2] = {base().capabilities[0], base().capabilities[1]};
    data[0].effective = data[0].permitted & (switching | serving);
    data[1].effective = 0;
    return capabilities(SYS_capset, data) ? errno : 0;
  }

 private:
  const Who who_;
};

}  // namespace causeway
