#define ZSTD_STATIC_LINKING_ONLY
#include "minibuild/archive/compress.h"

#include <libdeflate.h>
#include <zlib.h>
#include <zstd.h>

#include <array>

#include "minibuild/archive/growth.h"
#include "minibuild/base/error.h"
#include "minibuild/base/text.h"
#include "minibuild/oci/image.h"

namespace minibuild::archive {

using base::fail;

std::string_view layer_media_type(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::zstd:
      return oci::media_type::layer_zstd;
    case Algorithm::gzip:
      return oci::media_type::layer_gzip;
    case Algorithm::none:
      return oci::media_type::layer;
  }
  return oci::media_type::layer;
}

namespace {

// Every parameter is given: the library's own tables also look at the size of the input. Level 3 is
// the library's for large inputs, with a window that no group is larger than.
ZSTD_compressionParameters zstd_parameters(int level) {
  if (level == 3) return {22, 16, 17, 1, 5, 0, ZSTD_dfast};
  ZSTD_compressionParameters parameters = ZSTD_getCParams(level, 0, 0);
  parameters.windowLog = std::min(parameters.windowLog, 22U);  // no group is larger
  return parameters;
}

// gzip members are small: libdeflate works on whole buffers and has a window of 32 KiB anyway.
constexpr size_t gzip_member = size_t{1} << 20;

}  // namespace

std::string fingerprint(const Compression& compression) {
  switch (compression.algorithm) {
    case Algorithm::zstd: {
      const ZSTD_compressionParameters p = zstd_parameters(compression.level);
      return fmt::format("groups-1 zstd-{} w{} c{} h{} s{} m{} t{} f{}", ZSTD_versionString(), p.windowLog,
                         p.chainLog, p.hashLog, p.searchLog, p.minMatch, p.targetLength,
                         static_cast<int>(p.strategy));
    }
    case Algorithm::gzip:
      return fmt::format("groups-1 libdeflate-{} level{} member{}", LIBDEFLATE_VERSION_STRING,
                         compression.level, gzip_member);
    case Algorithm::none:
      return "groups-1 none";
  }
  return {};
}

struct Compressor::Impl {
  Compression compression;
  std::vector<uint64_t> workspace;
  libdeflate_compressor* deflate = nullptr;
  std::vector<char> scratch = {};

  std::string zstd(std::string_view plain) {
    // A context made anew in the same memory: nothing of the group before can have an influence.
    ZSTD_CCtx* context = ZSTD_initStaticCCtx(workspace.data(), workspace.size() * sizeof(uint64_t));
    if (context == nullptr) fail("cannot start zstd");
    const ZSTD_compressionParameters p = zstd_parameters(compression.level);
    const std::array<std::pair<ZSTD_cParameter, int>, 12> settings = {{
        {ZSTD_c_windowLog, static_cast<int>(p.windowLog)},
        {ZSTD_c_hashLog, static_cast<int>(p.hashLog)},
        {ZSTD_c_chainLog, static_cast<int>(p.chainLog)},
        {ZSTD_c_searchLog, static_cast<int>(p.searchLog)},
        {ZSTD_c_minMatch, static_cast<int>(p.minMatch)},
        {ZSTD_c_targetLength, static_cast<int>(p.targetLength)},
        {ZSTD_c_strategy, static_cast<int>(p.strategy)},
        {ZSTD_c_useRowMatchFinder, ZSTD_ps_disable},
        {ZSTD_c_enableLongDistanceMatching, ZSTD_ps_disable},
        {ZSTD_c_literalCompressionMode, ZSTD_ps_enable},
        {ZSTD_c_checksumFlag, 0},
        {ZSTD_c_contentSizeFlag, 1},
    }};
    for (const auto& [parameter, value] : settings)
      if (ZSTD_isError(ZSTD_CCtx_setParameter(context, parameter, value)) != 0) fail("cannot set up zstd");
    if (scratch.size() < ZSTD_compressBound(plain.size())) scratch.resize(ZSTD_compressBound(plain.size()));
    const size_t n = ZSTD_compress2(context, scratch.data(), scratch.size(), plain.data(), plain.size());
    if (ZSTD_isError(n) != 0) fail("cannot compress: {}", ZSTD_getErrorName(n));
    return {scratch.data(), n};
  }

  std::string gzip(std::string_view plain) {
    std::string out;
    while (!plain.empty()) {
      const std::string_view part = plain.substr(0, gzip_member);
      scratch.resize(std::max(scratch.size(), libdeflate_gzip_compress_bound(deflate, part.size())));
      const size_t n =
          libdeflate_gzip_compress(deflate, part.data(), part.size(), scratch.data(), scratch.size());
      out.append(scratch.data(), n);
      plain.remove_prefix(part.size());
    }
    return out;
  }
};

Compressor::Compressor(const Compression& compression)
    : impl_(new Impl{.compression = compression, .workspace = {}}) {
  if (compression.algorithm == Algorithm::zstd) {
    ZSTD_CCtx_params* params = ZSTD_createCCtxParams();
    ZSTD_CCtxParams_init_advanced(params, {zstd_parameters(compression.level), {1, 0, 0}});
    ZSTD_CCtxParams_setParameter(params, ZSTD_c_useRowMatchFinder, ZSTD_ps_disable);
    const size_t size = ZSTD_estimateCCtxSize_usingCCtxParams(params);
    ZSTD_freeCCtxParams(params);
    impl_->workspace.resize((size + (size_t{256} << 10)) / sizeof(uint64_t));
  }
  if (compression.algorithm == Algorithm::gzip)
    impl_->deflate = libdeflate_alloc_compressor(compression.level);
}

Compressor::~Compressor() {
  if (impl_->deflate != nullptr) libdeflate_free_compressor(impl_->deflate);
}

std::string Compressor::compress(std::string_view plain) {
  switch (impl_->compression.algorithm) {
    case Algorithm::zstd:
      return impl_->zstd(plain);
    case Algorithm::gzip:
      return impl_->gzip(plain);
    case Algorithm::none:
      return std::string(plain);
  }
  return {};
}

void Growth::add(uint64_t taken, uint64_t given, std::string_view what) {
  given_ += given;
  if (given_ > free_growth && given_ / most_growth > taken)
    fail(
        "cannot read {}: {} bytes grew to more than {}; this looks like a decompression bomb (above {} at "
        "most "
        "{} times the size is unpacked)",
        what, taken, given_, base::human_size(free_growth), most_growth);
}

namespace {

// Input in pieces, for decoders that take what they like of it.
class Decoder : public base::Source {
 public:
  Decoder(base::Source& source, std::string what, std::string first)
      : what_(std::move(what)), source_(source), buffer_(std::move(first)), end_(buffer_.size()) {
    total_in_ = end_;
    buffer_.resize(std::max(buffer_.size(), size_t{128} << 10));
  }

 protected:
  std::string_view input() const { return {buffer_.data() + at_, end_ - at_}; }
  void consume(size_t n) { at_ += n; }
  // Gets more input when all is used; false at the end.
  bool refill() {
    if (at_ < end_) return true;
    at_ = 0;
    end_ = source_.read(buffer_);
    total_in_ += end_;
    return end_ > 0;
  }
  size_t give(size_t n) {
    // What was read ahead counts only as far as it was used.
    growth_.add(total_in_ - (end_ - at_), n, what_);
    return n;
  }
  std::string what_;

 private:
  base::Source& source_;
  std::string buffer_;
  size_t at_ = 0;
  size_t end_ = 0;
  uint64_t total_in_ = 0;
  Growth growth_;
};

class PlainDecoder : public Decoder {
 public:
  using Decoder::Decoder;
  size_t read(std::span<char> out) override {
    if (!refill()) return 0;
    const std::string_view bytes = input().substr(0, out.size());
    std::copy(bytes.begin(), bytes.end(), out.begin());
    consume(bytes.size());
    return bytes.size();
  }
};

class ZstdDecoder : public Decoder {
 public:
  ZstdDecoder(base::Source& source, std::string what, std::string first)
      : Decoder(source, std::move(what), std::move(first)), context_(ZSTD_createDCtx(), &ZSTD_freeDCtx) {
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, 27);
  }
  size_t read(std::span<char> out) override {
    while (!out.empty()) {
      const bool more = refill();
      if (!more && !inside_) return 0;
      ZSTD_inBuffer in{input().data(), input().size(), 0};
      ZSTD_outBuffer to{out.data(), out.size(), 0};
      const size_t left = ZSTD_decompressStream(context_.get(), &to, &in);
      if (ZSTD_isError(left) != 0)
        fail("cannot read {}: damaged zstd data ({})", what_, ZSTD_getErrorName(left));
      consume(in.pos);
      inside_ = left != 0;
      if (to.pos > 0) return give(to.pos);
      if (!more) fail("cannot read {}: the zstd data is cut off", what_);
    }
    return 0;
  }

 private:
  std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context_;
  bool inside_ = false;
};

class GzipDecoder : public Decoder {
 public:
  GzipDecoder(base::Source& source, std::string what, std::string first)
      : Decoder(source, std::move(what), std::move(first)) {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) fail("cannot start zlib");
  }
  ~GzipDecoder() override { inflateEnd(&stream_); }
  GzipDecoder(const GzipDecoder&) = delete;
  GzipDecoder& operator=(const GzipDecoder&) = delete;
  GzipDecoder(GzipDecoder&&) = delete;
  GzipDecoder& operator=(GzipDecoder&&) = delete;
  size_t read(std::span<char> out) override {
    while (!out.empty()) {
      if (!refill()) {
        if (inside_) fail("cannot read {}: the gzip data is cut off", what_);
        return 0;
      }
      if (!inside_) {
        inflateReset(&stream_);
        inside_ = true;
      }
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input().data()));
      stream_.avail_in = static_cast<uInt>(input().size());
      stream_.next_out = reinterpret_cast<Bytef*>(out.data());
      stream_.avail_out = static_cast<uInt>(std::min(out.size(), size_t{1} << 30));
      const uInt room = stream_.avail_out;
      const int result = inflate(&stream_, Z_NO_FLUSH);
      consume(input().size() - stream_.avail_in);
      if (result == Z_STREAM_END)
        inside_ = false;
      else if (result != Z_OK && result != Z_BUF_ERROR)
        fail("cannot read {}: damaged gzip data ({})", what_,
             stream_.msg != nullptr ? stream_.msg : "zlib error");
      if (room > stream_.avail_out) return give(room - stream_.avail_out);
    }
    return 0;
  }

 private:
  z_stream stream_{};
  bool inside_ = true;
};

}  // namespace

std::unique_ptr<base::Source> decompress(base::Source& source, std::string what) {
  std::string first(4, '\0');
  first.resize(base::read_full(source, first));
  const auto byte = [&first](size_t i) { return i < first.size() ? static_cast<uint8_t>(first[i]) : 0U; };
  if (byte(0) == 0x1F && byte(1) == 0x8B)
    return std::make_unique<GzipDecoder>(source, std::move(what), std::move(first));
  const uint32_t magic = byte(0) | byte(1) << 8U | byte(2) << 16U | byte(3) << 24U;
  if (magic == ZSTD_MAGICNUMBER || (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START)
    return std::make_unique<ZstdDecoder>(source, std::move(what), std::move(first));
  return std::make_unique<PlainDecoder>(source, std::move(what), std::move(first));
}

std::string unzlib(std::string_view bytes, size_t limit, std::string_view what) {
  if (bytes.size() > UINT32_MAX) fail("cannot read {}: it has {} bytes", what, bytes.size());
  z_stream stream{};
  if (inflateInit2(&stream, 15) != Z_OK) fail("cannot start zlib");
  const std::unique_ptr<z_stream, int (*)(z_streamp)> closed(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string plain;
  std::array<char, 32768> buffer{};
  int result = Z_OK;
  while (result == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    result = inflate(&stream, Z_NO_FLUSH);
    const size_t got = buffer.size() - stream.avail_out;
    if (got > limit - plain.size()) fail("cannot read {}: it holds more than {} bytes", what, limit);
    plain.append(buffer.data(), got);
    if (result == Z_OK && got == 0 && stream.avail_in == 0) break;
  }
  if (result != Z_STREAM_END) fail("cannot read {}: damaged zlib data", what);
  return plain;
}

}  // namespace minibuild::archive
