#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// Reads pcapng by the letter of draft-ietf-opsawg-pcapng, and knows nothing of how doorslam writes it.
namespace doorslam::test {

struct PcapngOption {
  std::uint16_t code = 0;
  std::string value;
};

struct PcapngInterface {
  std::uint16_t link_type = 0;
  std::uint32_t snap_length = 0;
  std::vector<PcapngOption> options;
};

struct PcapngPacket {
  std::uint32_t interface = 0;
  std::uint64_t time = 0;
  std::uint32_t wire_length = 0;
  std::string octets;
  std::vector<std::string> comments;
};

struct PcapngFile {
  std::vector<PcapngOption> section;
  std::vector<PcapngInterface> interfaces;
  std::vector<PcapngPacket> packets;

  std::vector<std::string> section_texts(std::uint16_t code) const {
    std::vector<std::string> found;
    for (const PcapngOption& option : section) {
      if (option.code == code) found.push_back(option.value);
    }
    return found;
  }
};

/// Throws std::runtime_error where a rule is broken.
class PcapngReader {
 public:
  explicit PcapngReader(std::span<const std::uint8_t> octets)
      : all_(reinterpret_cast<const char*>(octets.data()), octets.size()) {}

  PcapngFile read() {
    PcapngFile file;
    for (std::size_t at = 0; at < all_.size();) {
      const std::uint32_t type = word(at);
      const std::uint32_t length = word(at + 4);
      require(length % 4 == 0 && length >= 12 && at + length <= all_.size(), "length of a block");
      require(word(at + length - 4) == length, "length at the end of a block");
      require((type == 0x0a0d0d0a) == (at == 0), "one section header, at the beginning");
      block(type, at + 8, at + length - 4, file);
      at += length;
    }
    return file;
  }

 private:
  static void require(bool holds, const char* what) {
    if (!holds) throw std::runtime_error(what);
  }
  std::uint32_t word(std::size_t at) const {
    require(at + 4 <= all_.size(), "a word beyond the end");
    std::uint32_t value = 0;
    std::memcpy(&value, all_.data() + at, sizeof value);
    return value;
  }
  std::uint16_t half(std::size_t at) const {
    std::uint16_t value = 0;
    require(at + 2 <= all_.size(), "a half word beyond the end");
    std::memcpy(&value, all_.data() + at, sizeof value);
    return value;
  }

  std::vector<PcapngOption> options(std::size_t at, std::size_t end) const {
    std::vector<PcapngOption> found;
    bool ended = at == end;
    while (at < end) {
      const std::uint16_t code = half(at);
      const std::uint16_t length = half(at + 2);
      at += 4;
      if (code == 0) {
        require(length == 0 && at == end, "the end of the options");
        ended = true;
        break;
      }
      require(at + length <= end, "length of an option");
      found.push_back({code, all_.substr(at, length)});
      for (std::size_t pad = at + length; pad < at + (length + 3U) / 4 * 4; ++pad) {
        require(all_.at(pad) == 0, "padding of an option");
      }
      at += (length + 3U) / 4 * 4;
    }
    require(ended, "an end of the options");
    return found;
  }

  void block(std::uint32_t type, std::size_t at, std::size_t end, PcapngFile& file) const {
    if (type == 0x0a0d0d0a) {
      require(word(at) == 0x1a2b3c4d && half(at + 4) == 1 && half(at + 6) == 0, "byte order and version");
      require(word(at + 8) == 0xffffffff && word(at + 12) == 0xffffffff, "a section of unknown length");
      file.section = options(at + 16, end);
    } else if (type == 1) {
      file.interfaces.push_back({half(at), word(at + 4), options(at + 8, end)});
    } else if (type == 6) {
      PcapngPacket packet;
      packet.interface = word(at);
      require(packet.interface < file.interfaces.size(), "an interface that was described before");
      packet.time = (std::uint64_t{word(at + 4)} << 32U) | word(at + 8);
      const std::uint32_t captured = word(at + 12);
      packet.wire_length = word(at + 16);
      require(captured <= packet.wire_length && at + 20 + captured <= end, "captured length");
      packet.octets = all_.substr(at + 20, captured);
      for (const PcapngOption& option : options(at + 20 + (captured + 3) / 4 * 4, end)) {
        if (option.code == 1) packet.comments.push_back(option.value);
      }
      file.packets.push_back(std::move(packet));
    } else {
      require(false, "a block of a known type");
    }
  }

  std::string all_;
};

}  // namespace doorslam::test
