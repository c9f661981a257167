#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "flowtable/hash_key.h"
#include "flowtable/time.h"
#include "pipeline/packet/decode_outcome.h"
#include "pipeline/packet/ip.h"
#include "pipeline/packet/reader.h"

/// IP fragments put together again, in memory and time that are bounded.
///
/// A datagram's octets lie in blocks of 2 KiB taken from one pool; each block knows by a bit for every eight octets
/// what it holds, so that duplicates (mirror ports) and contradictions (evasion) are told apart. A finished datagram is
/// copied into an arena, where it stays until recycle(). Datagrams are found in sets of eight by a keyed hash of
/// addresses, protocol and identification; a full set gives up its oldest. Fragments that came to nothing keep their
/// entry, without blocks, until the timeout: what comes later shares their fate. When blocks run out, the datagram is
/// given up: new datagrams wait until old ones are finished or expired.
namespace doorslam::packet {

/// Below this, there is no reassembly.
inline constexpr std::size_t kMinReassemblyBytes = 256U << 10U;

/// worker-bound. All memory is reserved by the constructor; pages are touched as they are needed.
class Reassembler {
 public:
  struct Result {
    bool complete = false;
    DecodeOutcome outcome = DecodeOutcome::fragment_held;  ///< when not complete
    ByteView datagram{};                                   ///< payload of the whole datagram; borrowed until recycle()
    std::uint8_t protocol = 0;                             ///< what the first fragment says it is
    std::uint8_t ttl = 0;                                  ///< of the first fragment
  };

  /// Counts datagrams in `counters`, which must outlive it.
  Reassembler(std::size_t budget_bytes, flowtable::DurationNs timeout_ns, const flowtable::HashKey& hash_key,
              DecodeCounters& counters);

  /// Takes in the fragment `ip`, whose payload is at `payload`.
  Result add(const IpHeader& ip, const Reader& payload, flowtable::TimeNs now_ns) noexcept;

  /// Nobody wants the datagram that `ip` is a fragment of: frees what is held of it, its later fragments get `fate`.
  void give_up(const IpHeader& ip, flowtable::TimeNs now_ns, DecodeOutcome fate) noexcept;

  void recycle() noexcept { arena_used_ = 0; }

  std::size_t blocks_in_use() const noexcept { return blocks_in_use_; }

 private:
  static constexpr std::size_t kMaxDatagram = 65535;
  static constexpr std::size_t kBlockOctets = 2048;
  static constexpr std::size_t kUnit = 8;  ///< octets; fragments start at multiples of it
  static constexpr std::size_t kBlocksPerDatagram = (kMaxDatagram + kBlockOctets) / kBlockOctets;
  static constexpr std::size_t kSet = 8;
  static constexpr std::uint16_t kNoBlock = 0xffff;

  struct Block {
    std::array<std::uint64_t, kBlockOctets / kUnit / 64> held;  ///< one bit a unit
    std::array<std::uint8_t, kBlockOctets> octets;
    std::uint16_t next_free;
  };

  struct Key {
    std::array<std::uint8_t, 32> addresses{};
    std::uint32_t id = 0;
    std::uint8_t protocol = 0;  ///< 0 for IPv6, whose fragments may name different ones
    std::uint8_t version = 0;   ///< 0: free entry

    friend bool operator==(const Key&, const Key&) = default;
  };

  struct Datagram {
    Key key;
    flowtable::TimeNs since_ns = 0;                     ///< first fragment, or when it was settled
    std::uint32_t received_octets = 0;                  ///< without duplicates
    std::uint32_t end = 0;                              ///< highest octet received + 1
    std::uint32_t total = 0;                            ///< 0: the last fragment is yet to come
    bool settled = false;                               ///< finished or given up: holds no blocks
    DecodeOutcome fate = DecodeOutcome::fragment_lost;  ///< of fragments that come after it was settled
    std::uint8_t protocol = 0;
    std::uint8_t ttl = 0;
    std::array<std::uint16_t, kBlocksPerDatagram> blocks{};
  };

  enum class Coverage : std::uint8_t { nothing, same, conflict };

  static Key key_of(const IpHeader& ip) noexcept;
  Datagram& entry_of(const IpHeader& ip, flowtable::TimeNs now_ns) noexcept;
  bool outdated(const Datagram& datagram, flowtable::TimeNs now_ns) const noexcept;
  void expire_some(flowtable::TimeNs now_ns) noexcept;
  void forget(Datagram& datagram) noexcept;
  void settle(Datagram& datagram, flowtable::TimeNs now_ns, DecodeOutcome fate) noexcept;
  Coverage coverage(const Datagram& datagram, std::size_t offset, ByteView octets) const noexcept;
  bool store(Datagram& datagram, std::size_t offset, ByteView octets) noexcept;
  Result finish(Datagram& datagram, flowtable::TimeNs now_ns) noexcept;
  std::uint16_t allocate_block() noexcept;
  void release_blocks(Datagram& datagram) noexcept;

  flowtable::DurationNs timeout_ns_;
  flowtable::HashKey hash_key_;
  DecodeCounters& counters_;
  std::size_t arena_bytes_ = 0;
  std::size_t arena_used_ = 0;
  std::size_t block_count_ = 0;
  std::size_t blocks_in_use_ = 0;
  std::size_t blocks_touched_ = 0;  ///< those after have never been used
  std::uint16_t first_free_ = kNoBlock;
  std::size_t set_count_ = 0;  ///< a power of two; 0: no reassembly
  std::size_t sweep_ = 0;
  std::unique_ptr<std::uint8_t[]> arena_;
  std::unique_ptr<Block[]> blocks_;
  std::unique_ptr<Datagram[]> datagrams_;
};

}  // namespace doorslam::packet
