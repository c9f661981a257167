#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/packet/decode.h"
#include "pipeline/port/event_rings.h"
#include "pipeline/tcp/tracker_options.h"

namespace doorslam::ethdev {

/// How a worker that cannot hand over its events behaves; automatic: waits where all ports replay files.
enum class WhenBehind : std::uint8_t { automatic, wait, sample };
/// See IdleMode. automatic: sleeps where threads share CPUs, else pauses.
enum class IdleChoice : std::uint8_t { automatic, spin, pause, sleep };

/// How packets reach the worker of their connection. automatic: by the card's hash where that brings both directions
/// together, else by a receiver. workers: each polls a queue and passes on what belongs to another.
enum class SteeringChoice : std::uint8_t { automatic, receiver, workers };

/// A port group: ports that carry the two directions of the same connections. PCI addresses, and specifications of
/// virtual devices.
using PortGroup = std::vector<std::string>;

struct LiveOptions {
  std::vector<PortGroup> groups;
  std::size_t workers = 1;
  std::vector<unsigned> lcores;  ///< CPUs of the workers, then of receivers; empty: any
  bool huge_pages = true;
  bool attachable = true;  ///< dpdk-dumpcap may attach
  bool telemetry = true;
  std::string file_prefix = "doorslam";
  std::uint16_t descriptors = 1024;   ///< of each receive queue
  std::uint32_t frame_octets = 9018;  ///< longest frame, with its Ethernet header and FCS
  bool promiscuous = true;
  bool hardware_time = true;       ///< packets get the card's time stamps where it has them
  bool frames_may_be_cut = false;  ///< the mirror truncates frames
  std::string filter;  ///< of pcap-filter(7): packets that it does not let through are left out; empty: none
  SteeringChoice steering = SteeringChoice::automatic;
  std::size_t steering_ring = 4096;  ///< packets between a receiver and a worker
  IdleChoice idle = IdleChoice::automatic;
  WhenBehind when_behind = WhenBehind::automatic;
  port::EventRingOptions events;
  packet::DecodeOptions decode;  ///< of each polling thread
  tcp::TrackerOptions tracker;   ///< of all workers together
};

}  // namespace doorslam::ethdev
