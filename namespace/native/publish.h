// Jobs that change the tree in several steps: publish, copy.
#pragma once
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "tree.h"

namespace causeway {

struct Publish {
  int fd;
  std::string temporary, target;
  int64_t mtimeNs;
  std::string attribute;  // '': none
  std::vector<uint8_t> value;
  bool flushFile, replace, flushDirectory;
};

// Some file systems do not know fsync of a directory and say EINVAL; there is nothing more to ask of them.
inline int flushDirectory(int fd) { return fsync(fd) == 0 || errno == EINVAL ? 0 : -1; }

inline int setModified(int fd, int64_t mtimeNs) {
  int64_t seconds = mtimeNs / 1'000'000'000, ns = mtimeNs % 1'000'000'000;
  if (ns < 0) ns += 1'000'000'000, seconds--;
  timespec times[2] = {{0, UTIME_OMIT}, {seconds, static_cast<long>(ns)}};
  return futimens(fd, times);
}

// mtime → attribute → fsync → rename, or link and unlink → fsync of the directory. All directories are opened first, so that what can be
// known to fail fails before anything has changed.
inline void publishWork(Job& job, int root, const Publish& p) {
  Place source(root, p.temporary);
  if (!source.ok()) return job.fail("openat2");
  Place target(root, p.target);
  if (!target.ok()) return job.fail("openat2");
  Fd directory(p.flushDirectory ? openOnce(target.parent.number, ".", directoryFlags, 0) : -1);
  // A directory one may write but not read cannot be flushed through a descriptor of its own: then the file system is, by the file's.
  if (p.flushDirectory && !directory.ok() && errno != EACCES) return job.fail("openat2");

  if (setModified(p.fd, p.mtimeNs)) return job.fail("futimens");
  if (!p.attribute.empty() && fsetxattr(p.fd, p.attribute.c_str(), p.value.data(), p.value.size(), 0)) return job.fail("fsetxattr");
  if (p.flushFile && fsync(p.fd)) return job.fail("fsync");
  struct stat s, before, there;
  if (fstat(p.fd, &before)) return job.fail("fstat");
  if (p.replace) {
    if (renameat(source.parent.number, source.last(), target.parent.number, target.last())) return job.fail("renameat");
  } else {
    if (linkat(source.parent.number, source.last(), target.parent.number, target.last(), 0)) {
      // NFS may answer EEXIST to the repetition of a link whose first answer was lost: then the name is this very file's. On the device that a
      // link can be on; by number it is another one where names go through a mount of their own.
      int error = errno;
      bool ours = error == EEXIST && fstat(p.fd, &s) == 0 &&
                  fstatat(target.parent.number, target.last(), &there, AT_SYMLINK_NOFOLLOW) == 0 && s.st_ino == there.st_ino;
      if (!ours) return job.fail("linkat", error);
    }
    unlinkat(source.parent.number, source.last(), 0);  // the object stands; a temporary left over is swept
  }
  if (p.flushDirectory && (directory.ok() ? flushDirectory(directory.number) : syncfs(p.fd))) return job.fail("fsync");
  // Another machine may have replaced or removed it already: a server then knows the descriptor no more (ESTALE). It was published.
  if (fstat(p.fd, &s)) s = before;
  giveRow(job, s);
}

// Clone, else copy inside the kernel (or the NFS server), else through memory. Each way does what the one before it would not, so
// the error that comes out is the last one's.
inline void copyWork(Job& job, int source, int64_t sourceOffset, int target, int64_t targetOffset, int64_t length) {
  struct stat s;
  if (fstat(source, &s)) return job.fail("fstat");
  length = std::min<int64_t>(length, s.st_size - sourceOffset);
  if (sourceOffset < 0 || targetOffset < 0) return job.fail("copy_file_range", EINVAL);
  if (length <= 0) return job.give(0.0);
  const int64_t block = 4096;
  bool aligned = sourceOffset % block == 0 && targetOffset % block == 0 &&
                 (length % block == 0 || sourceOffset + length == s.st_size);
  if (aligned) {
    file_clone_range range{source, static_cast<uint64_t>(sourceOffset), static_cast<uint64_t>(length), static_cast<uint64_t>(targetOffset)};
    if (ioctl(target, FICLONERANGE, &range) == 0) return job.give(static_cast<double>(length));
  }
  int64_t done = 0;
  bool byKernel = true;
  std::vector<uint8_t> buffer;
  while (done < length && !job.loop->dead) {
    off_t from = sourceOffset + done, to = targetOffset + done;
    if (byKernel) {
      ssize_t n = copy_file_range(source, &from, target, &to, static_cast<size_t>(std::min<int64_t>(length - done, 64 << 20)), 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EIO || errno == ESTALE)) return job.fail("copy_file_range");
      if (n > 0) done += n;
      else byKernel = false;  // not between these two files, or an end that reading must confirm
      continue;
    }
    buffer.resize(static_cast<size_t>(std::min<int64_t>(length - done, 1 << 20)));
    ssize_t n = readFully(source, buffer.data(), buffer.size(), from);
    if (n < 0) return job.fail("read");
    if (n == 0) break;
    if (!writeFully(target, buffer.data(), static_cast<size_t>(n), to)) return job.fail("write");
    done += n;
  }
  job.give(static_cast<double>(done));
}

}  // namespace causeway
