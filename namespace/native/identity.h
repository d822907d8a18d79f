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
  __user_cap_data_struct data[2] = {base().capabilities[0], base().capabilities[1]};
  if (!own) {
    data[0].effective = data[0].permitted & (1u << CAP_SETUID | 1u << CAP_SETGID);
    data[1].effective = 0;
  }
  return capabilities(SYS_capset, data) ? errno : 0;
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
  if (changed && assume(base().identity, true, changed)) {
    fputs("causeway: a thread could not return to the service's identity\n", stderr);
    abort();
  }
  current = nullptr;
  return error;
}

}  // namespace causeway
