// What the kernel tells about files, packed for JavaScript: rows of one size with the attribute's bytes behind them, and sorted
// directory scans. The layouts are read by ../posix-files.ts.
#pragma once
#include <dirent.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>

#include <algorithm>
#include <vector>

#include "loop.h"

namespace causeway {

struct Row {
  uint64_t device = 0, inode = 0;
  double sizeBytes = 0;
  int64_t mtimeNs = 0, ctimeNs = 0;
  uint32_t mode = 0, uid = 0, gid = 0, links = 0;
  int32_t attributeBytes = -1;  // -1: none
  uint32_t present = 0;
};
static_assert(sizeof(Row) == 64, "posix-files.ts reads rows of 64 bytes");

inline Row rowOf(const struct stat& s) {
  Row row;
  row.device = s.st_dev;
  row.inode = s.st_ino;
  row.sizeBytes = static_cast<double>(s.st_size);
  row.mtimeNs = s.st_mtim.tv_sec * 1'000'000'000 + s.st_mtim.tv_nsec;
  row.ctimeNs = s.st_ctim.tv_sec * 1'000'000'000 + s.st_ctim.tv_nsec;
  row.mode = s.st_mode;
  row.uid = s.st_uid;
  row.gid = s.st_gid;
  row.links = static_cast<uint32_t>(s.st_nlink);
  row.present = 1;
  return row;
}

inline void giveRow(Job& job, const struct stat& s) {
  Row row = rowOf(s);
  job.gives = Gives::bytes;
  job.bytes.resize(sizeof row);
  memcpy(job.bytes.data(), &row, sizeof row);
}

// Appends an attribute: its length, -1 when there is none (or none on this mount), -2 and errno otherwise. Linux has none above 64 KiB.
inline int appendAttribute(int fd, const char* name, std::vector<uint8_t>& to) {
  if (!*name) return -1;
  size_t before = to.size();
  for (size_t room : {size_t{2048}, size_t{65536}}) {
    to.resize(before + room);
    ssize_t length = fgetxattr(fd, name, to.data() + before, room);
    to.resize(before + (length > 0 ? static_cast<size_t>(length) : 0));
    if (length >= 0) return static_cast<int>(length);
    if (errno != ERANGE) break;
  }
  return errno == ENODATA || errno == EOPNOTSUPP ? -1 : -2;
}

inline bool nothingThere(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

// Reads until `n` bytes or the end of the file: bytes read, -1 and errno.
inline ssize_t readFully(int fd, uint8_t* to, size_t n, off_t position) {
  size_t got = 0;
  while (got < n) {
    ssize_t r = pread(fd, to + got, n - got, position + static_cast<off_t>(got));
    if (r == 0) break;
    if (r < 0 && errno != EINTR) return -1;
    if (r > 0) got += static_cast<size_t>(r);
  }
  return static_cast<ssize_t>(got);
}

inline bool writeFully(int fd, const uint8_t* from, size_t n, off_t position) {
  for (size_t put = 0; put < n;) {
    ssize_t r = pwrite(fd, from + put, n - put, position + static_cast<off_t>(put));
    if (r < 0 && errno != EINTR) return false;
    if (r > 0) put += static_cast<size_t>(r);
  }
  return true;
}

// Nobody has written to the file between the two looks: what was read in between belongs to them. A writer gives the file its new mtime
// before its first byte.
inline bool unchanged(const struct stat& a, const struct stat& b) {
  return a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
         a.st_ctim.tv_sec == b.st_ctim.tv_sec && a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

// What is looked up by name and is gone before the call is through: another machine has put a file in its place, or taken it away. An NFS
// server then says ESTALE, to the fstat of a descriptor that was just opened too (of 3,250 look-ups beside an overwriter 113). The name
// leads to the new file by now, or to nothing. A handle that is stale for another reason stays so, and the answer is ESTALE a moment later.
constexpr int staleTries = 7;
inline bool isStaleOnce(int error, int tries) {
  if (error != ESTALE || tries == staleTries) return false;
  timespec pause{0, tries * 1'000'000L};
  if (tries > 1) nanosleep(&pause, nullptr);  // 27 ms in all
  return true;
}

template <typename Work>
void unlessStale(Job& job, Work work) {
  for (int tries = 0;; tries++) {
    work();
    if (!isStaleOnce(job.error, tries)) return;
    job.error = 0;
    job.bytes.clear();
  }
}

// The fused look-up: row, length of the body or -1, descriptor or -1, attribute, body. Nothing at all when nothing is there.
// bodyMax -1: never a body. A file that is being written to is looked at again, and after four times comes without its body, with the
// last row: its record, which is of before, does not fit that any more.
inline void findWork(Job& job, int root, const std::string& attribute, int64_t bodyMax, bool keepOpen) {
  Fd fd(openBeneath(root, job.path, readFlags));
  struct stat s;
  if (!fd.ok()) {
    int error = errno;
    if (nothingThere(error)) return;
    // A socket or a device refuses to be opened, a fifo may be forbidden; what it is can still be told.
    Fd seen(error == EINVAL ? -1 : openBeneath(root, job.path, O_PATH | O_NOFOLLOW));
    if (!seen.ok() || fstat(seen.number, &s) || S_ISREG(s.st_mode) || S_ISDIR(s.st_mode)) return job.fail("openat2", error);
    fd.reset(-1);
  } else if (fstat(fd.number, &s)) {
    return job.fail("fstat");
  }
  const bool content = S_ISREG(s.st_mode), readable = content || S_ISDIR(s.st_mode);
  auto& out = job.bytes;
  for (int tries = 0;; tries++) {
    Row row = rowOf(s);
    int32_t tail[2] = {-1, -1};
    out.resize(sizeof row + sizeof tail);
    if (readable) row.attributeBytes = appendAttribute(fd.number, attribute.c_str(), out);
    if (row.attributeBytes == -2) return job.fail("fgetxattr");
    if (content && s.st_size <= bodyMax) {
      size_t before = out.size(), size = static_cast<size_t>(s.st_size);
      out.resize(before + size);
      ssize_t got = readFully(fd.number, out.data() + before, size, 0);
      if (got < 0) return job.fail("read");
      struct stat after;
      if (fstat(fd.number, &after)) return job.fail("fstat");
      bool whole = static_cast<size_t>(got) == size && unchanged(s, after);
      s = after;
      if (!whole && tries < 3) continue;
      if (whole) {
        tail[0] = static_cast<int32_t>(size);
      } else {
        int32_t attributeBytes = row.attributeBytes;
        row = rowOf(s);
        row.attributeBytes = attributeBytes;
        out.resize(before);
      }
    }
    if (tail[0] < 0 && keepOpen && readable) tail[1] = fd.release();
    memcpy(out.data(), &row, sizeof row);
    memcpy(out.data() + sizeof row, tail, sizeof tail);
    job.gives = Gives::bytes;
    return;
  }
}

// The same where all of it is in the kernel's memory already: true with the bytes of findWork, false when a thread has to look (what is not
// there is for the thread to say, too). Two system calls for a descriptor's worth of facts cost less than waking a thread does.
inline bool findRemembered(const std::string& path, int root, const std::string& attribute, int64_t bodyMax, bool keepOpen, bool inMemory,
                           std::vector<uint8_t>& out) {
  Fd fd(openRemembered(root, path, readFlags));
  struct stat s;
  if (!fd.ok() || fstat(fd.number, &s)) return false;
  const bool content = S_ISREG(s.st_mode);
  if (!content && !S_ISDIR(s.st_mode)) return false;
  Row row = rowOf(s);
  int32_t tail[2] = {-1, -1};
  out.resize(sizeof row + sizeof tail);
  row.attributeBytes = appendAttribute(fd.number, attribute.c_str(), out);
  if (row.attributeBytes == -2) return false;
  if (content && s.st_size <= bodyMax) {
    size_t before = out.size(), size = static_cast<size_t>(s.st_size);
    out.resize(before + size);
    iovec part{out.data() + before, size};
    if (size > 0 && preadv2(fd.number, &part, 1, 0, inMemory ? 0 : RWF_NOWAIT) != static_cast<ssize_t>(size)) return false;
    struct stat after;
    if (fstat(fd.number, &after) || !unchanged(s, after)) return false;
    tail[0] = static_cast<int32_t>(size);
  }
  if (tail[0] < 0 && keepOpen) tail[1] = fd.release();
  memcpy(out.data(), &row, sizeof row);
  memcpy(out.data() + sizeof row, tail, sizeof tail);
  return true;
}

// Row and attribute of one name: false, and errno, where there is nothing to list.
inline bool lookAt(int directory, const char* name, const std::string& attribute, Row& row, std::vector<uint8_t>& attributes) {
  for (int tries = 0;; tries++) {
    Fd fd(openIn(directory, name, readFlags));
    if (!fd.ok()) return false;
    struct stat s;
    if (fstat(fd.number, &s) == 0) {
      if (!S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode)) return errno = EINVAL, false;
      row = rowOf(s);
      row.attributeBytes = appendAttribute(fd.number, attribute.c_str(), attributes);
      if (row.attributeBytes != -2) return true;
    }
    // As in unlessStale: the listing must not lose what another machine has just replaced.
    if (!isStaleOnce(errno, tries)) return false;
  }
}

// Rows of `names` (packed, `ends[i]` is where name i ends), then their attributes. One name that vanished or may not be read is a row
// not present; running out of descriptors or memory fails the job, since a listing must not lose entries silently.
inline void statManyWork(Job& job, int root, const std::string& names, const std::vector<uint32_t>& ends, const std::string& attribute) {
  Fd directory(openBeneath(root, job.path, O_PATH | O_DIRECTORY));
  if (!directory.ok()) return job.fail("openat2");
  auto& out = job.bytes;
  out.resize(ends.size() * sizeof(Row));
  uint32_t from = 0;
  for (size_t i = 0; i < ends.size(); from = ends[i], i++) {
    std::string name = names.substr(from, ends[i] - from);
    if (!plainName(name.data(), name.size())) return job.fail("openat2", EINVAL);
    Row row;
    if (!lookAt(directory.number, name.c_str(), attribute, row, out)) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) return job.fail("openat2");
      row = Row();
    }
    memcpy(out.data() + i * sizeof row, &row, sizeof row);
  }
  job.gives = Gives::bytes;
}

struct Entry {
  uint64_t key;  // the eight bytes behind the common prefix, big-endian: settles most comparisons
  uint32_t offset;
  uint16_t length;  // a directory's '/' included
  uint8_t type;     // 0 file, 1 directory, 2 symbolic link, 3 other
};

inline uint8_t typeOf(int directory, const char* name, unsigned char told) {
  struct stat s;
  if (told == DT_UNKNOWN) {
    if (fstatat(directory, name, &s, AT_SYMLINK_NOFOLLOW)) return 255;  // gone meanwhile
    told = static_cast<unsigned char>(IFTODT(s.st_mode));
  }
  return told == DT_REG ? 0 : told == DT_DIR ? 1 : told == DT_LNK ? 2 : 3;
}

// Sorted by the bytes of the name, a directory's with '/' behind it. Layout: row of the directory, count, bytes of names (uint32), count + 1
// offsets (uint32), count types (uint8), names.
inline void scanWork(Job& job, int root) {
  Fd directory(openBeneath(root, job.path, directoryFlags));
  if (!directory.ok()) return job.fail("openat2");
  struct stat s;
  if (fstat(directory.number, &s)) return job.fail("fstat");

  struct Record {  // linux_dirent64
    uint64_t inode;
    int64_t next;
    uint16_t length;
    uint8_t type;
    char name[1];
  };
  std::string names;
  std::vector<Entry> entries;
  std::vector<char> buffer(64 * 1024);
  for (;;) {
    long n = syscall(SYS_getdents64, directory.number, buffer.data(), buffer.size());
    if (n < 0) return job.fail("getdents64");
    if (n == 0 || job.loop->dead) break;
    for (long at = 0; at < n;) {
      auto* record = reinterpret_cast<Record*>(buffer.data() + at);
      at += record->length;
      size_t length = strlen(record->name);
      if (!plainName(record->name, length)) continue;
      uint8_t type = typeOf(directory.number, record->name, record->type);
      if (type == 255) continue;
      entries.push_back({0, static_cast<uint32_t>(names.size()), static_cast<uint16_t>(length + (type == 1)), type});
      names.append(record->name, length);
      if (type == 1) names += '/';
    }
    if (names.size() > UINT32_MAX - 1024 * 1024) return job.fail("getdents64", EOVERFLOW);
  }

  size_t common = entries.empty() ? 0 : entries[0].length;
  for (auto& e : entries) {
    common = std::min<size_t>(common, e.length);
    while (memcmp(names.data() + e.offset, names.data() + entries[0].offset, common)) common--;
  }
  for (auto& e : entries)
    for (size_t i = 0; i < 8; i++)
      e.key = e.key << 8 | (common + i < e.length ? static_cast<uint8_t>(names[e.offset + common + i]) : 0);
  std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) {
    if (a.key != b.key) return a.key < b.key;
    int order = memcmp(names.data() + a.offset, names.data() + b.offset, std::min(a.length, b.length));
    return order ? order < 0 : a.length < b.length;
  });
  // A name that is replaced while the directory is read may come twice: GlusterFS reads one server after the other, and a rename moves names
  // from one to another. No key is listed twice.
  auto isSame = [&](const Entry& a, const Entry& b) {
    return a.length == b.length && !memcmp(names.data() + a.offset, names.data() + b.offset, a.length);
  };
  entries.erase(std::unique(entries.begin(), entries.end(), isSame), entries.end());
  size_t namesBytes = 0;
  for (const auto& e : entries) namesBytes += e.length;

  size_t count = entries.size();
  job.packedBytes = sizeof(Row) + 8 + 4 * (count + 1) + count + namesBytes;
  job.packed = malloc(job.packedBytes);
  if (!job.packed) return job.fail("malloc", ENOMEM);
  auto* out = static_cast<uint8_t*>(job.packed);
  Row row = rowOf(s);
  memcpy(out, &row, sizeof row);
  auto* words = reinterpret_cast<uint32_t*>(out + sizeof row);
  words[0] = static_cast<uint32_t>(count);
  words[1] = static_cast<uint32_t>(namesBytes);
  uint32_t* offsets = words + 2;
  auto* types = reinterpret_cast<uint8_t*>(offsets + count + 1);
  uint8_t* packed = types + count;
  uint32_t at = 0;
  for (size_t i = 0; i < count; i++) {
    offsets[i] = at;
    types[i] = entries[i].type;
    memcpy(packed + at, names.data() + entries[i].offset, entries[i].length);
    at += entries[i].length;
  }
  offsets[count] = at;
  job.gives = Gives::packed;
}

}  // namespace causeway
