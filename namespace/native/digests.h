// Several digests over one stream: MD5 and SHA by the OpenSSL inside node, CRC32 by the zlib inside node, CRC32C and CRC64NVME by the
// processor where it can, by tables where it cannot.
#pragma once
#include <openssl/evp.h>
#include <zlib.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace causeway {

inline uint64_t load64(const uint8_t* p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
}

// A reflected CRC, eight bytes at a step. T is as wide as the CRC.
template <typename T, T polynomial>
struct Sliced {
  T table[8][256];
  Sliced() {
    for (unsigned i = 0; i < 256; i++) {
      T v = i;
      for (int bit = 0; bit < 8; bit++) v = (v >> 1) ^ ((v & 1) ? polynomial : 0);
      table[0][i] = v;
    }
    for (int k = 1; k < 8; k++)
      for (unsigned i = 0; i < 256; i++) table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 255];
  }
  T update(T crc, const uint8_t* p, size_t n) const {
    for (; n >= 8; p += 8, n -= 8) {
      uint64_t w = load64(p) ^ crc;
      crc = 0;
      for (int k = 0; k < 8; k++) crc ^= table[7 - k][(w >> (8 * k)) & 255];
    }
    for (; n > 0; p++, n--) crc = static_cast<T>(crc >> 8) ^ table[0][(crc ^ *p) & 255];
    return crc;
  }
};

using Crc32c = Sliced<uint32_t, 0x82F63B78u>;
constexpr uint64_t nvmePolynomial = 0x9A6C9329AC4BC9B5ull;
using Crc64Nvme = Sliced<uint64_t, nvmePolynomial>;
inline const Crc32c& crc32cTable() {
  static const auto& only = *new Crc32c();
  return only;
}
inline const Crc64Nvme& crc64NvmeTable() {
  static const auto& only = *new Crc64Nvme();
  return only;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) inline uint32_t crc32cByInstruction(uint32_t crc, const uint8_t* p, size_t n) {
  uint64_t wide = crc;
  for (; n >= 8; p += 8, n -= 8) wide = _mm_crc32_u64(wide, load64(p));
  crc = static_cast<uint32_t>(wide);
  for (; n > 0; p++, n--) crc = _mm_crc32_u8(crc, *p);
  return crc;
}

// x^n modulo the polynomial, reflected.
inline uint64_t powerOfX(int n) {
  uint64_t v = 1ull << 63;
  while (n--) v = (v >> 1) ^ ((v & 1) ? nvmePolynomial : 0);
  return v;
}

// Folding by carry-less multiplication: eight accumulators of 16 bytes step 128 bytes at a time, are joined, and what is left is
// reduced by the table. Needs n >= 128.
__attribute__((target("pclmul,sse4.1"))) inline uint64_t crc64NvmeByFolding(uint64_t crc, const uint8_t* p, size_t n) {
  static const uint64_t step[4] = {powerOfX(1024 + 63), powerOfX(1024 - 1), powerOfX(128 + 63), powerOfX(128 - 1)};
  const __m128i wide = _mm_set_epi64x(static_cast<int64_t>(step[1]), static_cast<int64_t>(step[0]));
  const __m128i narrow = _mm_set_epi64x(static_cast<int64_t>(step[3]), static_cast<int64_t>(step[2]));
  auto at = [](const uint8_t* q) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(q)); };
#define CAUSEWAY_FOLD(x, k, next) \
  _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, k, 0x00), _mm_clmulepi64_si128(x, k, 0x11)), next)
  __m128i x[8];
  for (int i = 0; i < 8; i++) x[i] = at(p + 16 * i);
  x[0] = _mm_xor_si128(x[0], _mm_set_epi64x(0, static_cast<int64_t>(crc)));
  for (p += 128, n -= 128; n >= 128; p += 128, n -= 128)
    for (int i = 0; i < 8; i++) x[i] = CAUSEWAY_FOLD(x[i], wide, at(p + 16 * i));
  __m128i joined = x[0];
  for (int i = 1; i < 8; i++) joined = CAUSEWAY_FOLD(joined, narrow, x[i]);
  for (; n >= 16; p += 16, n -= 16) joined = CAUSEWAY_FOLD(joined, narrow, at(p));
#undef CAUSEWAY_FOLD
  uint8_t rest[16];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(rest), joined);
  return crc64NvmeTable().update(crc64NvmeTable().update(0, rest, 16), p, n);
}
#endif

inline uint32_t crc32c(uint32_t crc, const uint8_t* p, size_t n, bool portable) {
#if defined(__x86_64__)
  static const bool able = __builtin_cpu_supports("sse4.2");
  if (able && !portable) return crc32cByInstruction(crc, p, n);
#endif
  (void)portable;
  return crc32cTable().update(crc, p, n);
}

inline uint64_t crc64Nvme(uint64_t crc, const uint8_t* p, size_t n, bool portable) {
#if defined(__x86_64__)
  static const bool able = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  if (able && !portable && n >= 128) return crc64NvmeByFolding(crc, p, n);
#endif
  (void)portable;
  return crc64NvmeTable().update(crc, p, n);
}

// Which digests, as bits; their results lie behind one another in this order.
enum : unsigned { md5Bit = 1, sha1Bit = 2, sha256Bit = 4, crc32Bit = 8, crc32cBit = 16, crc64NvmeBit = 32 };

class Hasher {
 public:
  bool busy = false;  // JavaScript's thread only: one update at a time

  // `portable` never uses the processor's own instructions, so that a test can compare.
  explicit Hasher(unsigned which, bool portable = false) : which_(which), portable_(portable) {
    const EVP_MD* kinds[3] = {EVP_md5(), EVP_sha1(), EVP_sha256()};
    for (unsigned i = 0; i < 3; i++) {
      if (!(which_ >> i & 1)) continue;
      evp_[i] = EVP_MD_CTX_new();
      failed_ |= !evp_[i] || !EVP_DigestInit_ex(evp_[i], kinds[i], nullptr);
    }
  }
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  ~Hasher() {
    for (auto* context : evp_) EVP_MD_CTX_free(context);
  }

  // Slices that stay in the cache from one digest to the next.
  void update(const uint8_t* p, size_t n) {
    for (size_t slice; n > 0; p += slice, n -= slice) {
      slice = n < 65536 ? n : 65536;
      for (auto* context : evp_)
        if (context && !failed_) failed_ |= !EVP_DigestUpdate(context, p, slice);
      if (which_ & crc32Bit) crc32_ = static_cast<uint32_t>(::crc32(crc32_, p, static_cast<uInt>(slice)));
      if (which_ & crc32cBit) crc32c_ = crc32c(crc32c_, p, slice, portable_);
      if (which_ & crc64NvmeBit) crc64_ = crc64Nvme(crc64_, p, slice, portable_);
    }
  }

  // False when OpenSSL would not (MD5 under FIPS).
  bool end(std::vector<uint8_t>& into) {
    for (auto* context : evp_) {
      if (!context || failed_) continue;
      uint8_t value[EVP_MAX_MD_SIZE];
      unsigned length = 0;
      failed_ |= !EVP_DigestFinal_ex(context, value, &length);
      into.insert(into.end(), value, value + length);
    }
    auto bigEndian = [&](uint64_t value, int bytes) {
      while (bytes-- > 0) into.push_back(static_cast<uint8_t>(value >> (8 * bytes)));
    };
    if (which_ & crc32Bit) bigEndian(crc32_, 4);
    if (which_ & crc32cBit) bigEndian(~crc32c_, 4);
    if (which_ & crc64NvmeBit) bigEndian(~crc64_, 8);
    return !failed_;
  }

 private:
  unsigned which_;
  bool portable_, failed_ = false;
  EVP_MD_CTX* evp_[3] = {};
  uint32_t crc32_ = 0, crc32c_ = ~0u;
  uint64_t crc64_ = ~0ull;
};

}  // namespace causeway
