#include "pipeline/port/ethdev/eal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_log.h>
#include <rte_pdump.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>

#include "pipeline/base/descriptor.h"

namespace doorslam::ethdev {

namespace {

constexpr std::size_t kLinesKept = 24;
constexpr std::size_t kMebi = std::size_t{1} << 20U;

/// Takes the EAL's log line by line: it is passed on, and its last complaints are kept to explain a failure.
class LogTap {
 public:
  static LogTap& instance() {
    static LogTap tap;
    return tap;
  }

  bool open(EalLog log) {
    {
      const std::lock_guard lock(mutex_);
      log_ = std::move(log);
    }
    if (stream_ != nullptr) return true;
    const cookie_io_functions_t io{.read = nullptr, .write = &write, .seek = nullptr, .close = nullptr};
    stream_ = fopencookie(this, "w", io);
    return stream_ != nullptr && setvbuf(stream_, nullptr, _IOLBF, 0) == 0 && rte_openlog_stream(stream_) == 0;
  }

  /// What was complained of since the last call, in one line; empty: nothing.
  std::string complaints() {
    const std::lock_guard lock(mutex_);
    return fmt::format("{}", fmt::join(std::exchange(kept_, {}), "; "));
  }

  void take(std::string_view text, int level) {
    const std::lock_guard lock(mutex_);
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      const std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      if (line.empty()) continue;
      if (log_) log_(static_cast<unsigned>(level), line);
      if (level > static_cast<int>(RTE_LOG_WARNING)) continue;
      kept_.emplace_back(line);
      if (kept_.size() > kLinesKept) kept_.pop_front();
    }
  }

 private:
  static ssize_t write(void* self, const char* text, std::size_t length) {
    const int level = rte_log_cur_msg_loglevel();
    static_cast<LogTap*>(self)->take({text, length}, level < 0 ? int{RTE_LOG_INFO} : level);
    return static_cast<ssize_t>(length);
  }

  std::mutex mutex_;
  EalLog log_;
  std::deque<std::string> kept_;
  std::FILE* stream_ = nullptr;
};

/// What the EAL prints past its own log when it gives up goes into the log as well.
class StandardErrorTap {
 public:
  StandardErrorTap() : catch_(memfd_create("stderr", MFD_CLOEXEC)), saved_(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {
    std::fflush(stderr);
    if (catch_ && saved_) dup2(catch_.get(), STDERR_FILENO);
  }
  ~StandardErrorTap() {
    std::fflush(stderr);
    if (catch_ && saved_) dup2(saved_.get(), STDERR_FILENO);
    std::array<char, 4096> text;
    const ssize_t length = catch_ ? pread(catch_.get(), text.data(), text.size(), 0) : 0;
    if (length > 0) LogTap::instance().take({text.data(), static_cast<std::size_t>(length)}, RTE_LOG_DEBUG);
  }
  StandardErrorTap(const StandardErrorTap&) = delete;
  StandardErrorTap& operator=(const StandardErrorTap&) = delete;

 private:
  Descriptor catch_;
  Descriptor saved_;
};

/// The first complaint that is about the device and not about its loss.
std::string first_complaint(const std::string& all) {
  for (std::size_t begin = 0; begin < all.size();) {
    const std::size_t end = std::min(all.find("; ", begin), all.size());
    std::string line = all.substr(begin, end - begin);
    if (line.find("cannot attach") == std::string::npos && line.find("Failed to attach") == std::string::npos)
      return line;
    begin = end + 2;
  }
  return {};
}

std::string why_no_port(int error, const std::string& name, const std::string& all) {
  const std::string said = first_complaint(all);
  if (said.find("failed to parse device") != std::string::npos) {
    return fmt::format(
        "DPDK knows no driver for {}; there are net_pcap, net_af_packet, net_memif, net_ring and others, "
        "each followed by a number",
        name);
  }
  if (said.find("Could not open AF_PACKET socket") != std::string::npos) {
    return "no permission to listen on an interface: this needs the capability CAP_NET_RAW, or root";
  }
  return said.empty() ? rte_strerror(-error) : said;
}

std::string why_not(int error, const EalOptions& options) {
  const std::string said = LogTap::instance().complaints();
  const auto speaks_of = [&said](std::string_view words) { return said.find(words) != std::string::npos; };
  std::string reason;
  if (options.huge_pages && (speaks_of("hugepage") || speaks_of("hugetlbfs"))) {
    reason =
        "no huge pages are to be had; reserve some (`echo 512 > /proc/sys/vm/nr_hugepages` for 1 GiB; `mount -t "
        "hugetlbfs none /dev/hugepages` where that is not mounted), or start with --no-huge";
  } else if (error == EACCES || error == EPERM || speaks_of("Permission denied")) {
    reason =
        fmt::format("no permission: the sensor needs its capabilities (docs/deploy.md), or root, and to write in {}",
                    geteuid() == 0 ? "/run/dpdk" : "$XDG_RUNTIME_DIR or /tmp");
  } else if (error == EALREADY || speaks_of("Cannot create lock") || speaks_of("Is another primary process running")) {
    reason = fmt::format("another instance runs with run.file_prefix \"{}\"; give this one a prefix of its own",
                         options.file_prefix);
  } else if (error == EINVAL) {
    reason = "DPDK refused its arguments";
  } else {
    reason = rte_strerror(error);
  }
  return said.empty() ? reason : fmt::format("{} (DPDK: {})", reason, said);
}

/// Whether the process whose files these are answers. It may be of another container, and have no number here.
bool answers(const std::filesystem::path& folder) {
  const std::string path = folder / "dpdk_telemetry.v2";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return true;
  std::copy(path.begin(), path.end(), address.sun_path);
  const Descriptor probe(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return true;
  const int failed = connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  return failed == 0 || (errno != ECONNREFUSED && errno != ENOENT);
}

/// Processes that were killed could not remove their folders, PREFIX-PID beside `ours`.
void remove_left_behind(const std::filesystem::path& ours) {
  const std::string name = ours.filename();
  const std::string stem = name.substr(0, name.rfind('-') + 1);
  std::error_code none;
  std::vector<std::filesystem::path> gone;
  for (const auto& entry : std::filesystem::directory_iterator(ours.parent_path(), none)) {
    const std::string other = entry.path().filename();
    if (stem.empty() || other == name || !other.starts_with(stem)) continue;
    pid_t process = 0;
    const char* const end = other.data() + other.size();
    const auto [at, error] = std::from_chars(other.data() + stem.size(), end, process);
    if (error != std::errc() || at != end || process <= 0) continue;
    if (kill(process, 0) != 0 && errno == ESRCH && !answers(entry.path())) gone.push_back(entry.path());
  }
  for (const std::filesystem::path& folder : gone) std::filesystem::remove_all(folder, none);
}

std::atomic<bool> interrupts_are_still = false;

/// A handler that does not return: nothing else gets its turn on that thread.
void hold_up(void*) {
  interrupts_are_still.store(true, std::memory_order_release);
  while (true) ::pause();
}

}  // namespace

std::vector<std::string> eal_arguments(const EalOptions& options) {
  std::string lcores;
  for (const LcoreCpus& lcore : options.lcores) {
    lcores += fmt::format("{}{}@({})", lcores.empty() ? "" : ",", lcore.lcore, fmt::join(lcore.cpus, ","));
  }
  std::vector<std::string> arguments = {"doorslam", "--lcores=" + lcores,
                                        fmt::format("--main-lcore={}", options.lcores.front().lcore),
                                        "--file-prefix=" + options.file_prefix};
  if (!options.huge_pages) {
    arguments.insert(arguments.end(),
                     {"--no-huge", "--no-shconf", "-m", fmt::format("{}", options.memory_octets / kMebi + 1)});
  } else if (!options.attachable) {
    arguments.emplace_back("--in-memory");
    std::erase(arguments, "--file-prefix=" + options.file_prefix);
  }
  if (!options.telemetry) arguments.emplace_back("--no-telemetry");
  // Virtual devices need no physical addresses, which nobody may ask for once privileges are dropped: and memory is
  // asked for when dpdk-dumpcap attaches.
  if (options.pci.empty()) arguments.insert(arguments.end(), {"--no-pci", "--iova-mode=va"});
  for (const std::string& address : options.pci) {
    arguments.emplace_back("-a");
    arguments.push_back(address);
  }
  return arguments;
}

Result<Eal> Eal::start(const EalOptions& options, EalLog log) {
  if (!LogTap::instance().open(std::move(log))) return data_error("DPDK's log cannot be taken");
  std::vector<std::string> arguments = eal_arguments(options);
  std::vector<char*> argv(arguments.size());
  std::transform(arguments.begin(), arguments.end(), argv.begin(),
                 [](std::string& argument) { return argument.data(); });
  LogTap::instance().complaints();
  const int initialised = [&argv] {
    const StandardErrorTap tap;
    return rte_eal_init(static_cast<int>(argv.size()), argv.data());
  }();
  if (initialised < 0) {
    return data_error("DPDK cannot be started: " + why_not(rte_errno, options));
  }
  Eal eal;
  if (const char* const directory = rte_eal_get_runtime_dir(); directory != nullptr && options.prefix_is_ours) {
    remove_left_behind(directory);
    eal.to_be_removed_ = directory;
  }
  eal.shared_ = options.huge_pages;
  if (options.huge_pages && options.attachable) {
    eal.attachable_ = rte_pdump_init() == 0;
    if (!eal.attachable_) eal.remark_ = fmt::format("dpdk-dumpcap cannot attach: {}", rte_strerror(rte_errno));
  }
  return eal;
}

Eal::Eal(Eal&& other) noexcept
    : to_be_removed_(std::move(other.to_be_removed_)),
      remark_(std::move(other.remark_)),
      attachable_(std::exchange(other.attachable_, false)),
      shared_(other.shared_),
      still_(other.still_),
      running_(std::exchange(other.running_, false)) {}

Eal::~Eal() {
  if (!running_) return;
  still_interrupts();
  if (attachable_) rte_pdump_uninit();
  // It unmaps DPDK's memory under the interrupt thread. Memory that nobody shares goes with the process; what is left
  // in huge pages, the next start takes back.
  if (shared_ && still_) rte_eal_cleanup();
  LogTap::instance().open(nullptr);
  std::error_code gone;
  if (!to_be_removed_.empty()) std::filesystem::remove_all(to_be_removed_, gone);
}

// Not by a timer, whose handler the EAL's own clean-up waits for.
void Eal::still_interrupts() noexcept {
  constexpr std::chrono::seconds kPatience(5);
  static rte_intr_handle* handle = nullptr;  // stays, as the thread has it for good
  if (handle != nullptr) return;
  handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
  const int event = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);  // which has happened
  if (handle == nullptr || event < 0 || rte_intr_fd_set(handle, event) != 0 ||
      rte_intr_type_set(handle, RTE_INTR_HANDLE_EXT) != 0 ||
      rte_intr_callback_register(handle, hold_up, nullptr) != 0) {
    return;
  }
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!still_ && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    still_ = interrupts_are_still.load(std::memory_order_acquire);
  }
}

Result<std::uint16_t> Eal::attach(const std::string& specification) {
  const std::string name = specification.substr(0, specification.find(','));
  std::uint16_t port = 0;
  if (rte_eth_dev_get_port_by_name(name.c_str(), &port) == 0) {
    return usage_error(fmt::format("{}: there are two devices of this name; number them apart", name));
  }
  LogTap::instance().complaints();
  const int failed = rte_dev_probe(specification.c_str());
  if (failed == 0 && rte_eth_dev_get_port_by_name(name.c_str(), &port) == 0) return port;
  return data_error(fmt::format("{}: no port could be made of it: {}", specification,
                                why_no_port(failed, name, LogTap::instance().complaints())));
}

Result<std::uint16_t> Eal::port_at(const std::string& pci_address) const {
  std::uint16_t port = 0;
  if (rte_eth_dev_get_port_by_name(pci_address.c_str(), &port) == 0) return port;
  const std::filesystem::path device = std::filesystem::path("/sys/bus/pci/devices") / pci_address;
  std::error_code none;
  if (!std::filesystem::exists(device, none)) {
    return data_error(
        fmt::format("{}: there is no such PCI device; `lspci -D | grep -i ethernet` lists them", pci_address));
  }
  const std::filesystem::path driver = std::filesystem::read_symlink(device / "driver", none).filename();
  return data_error(
      fmt::format("{}: no poll-mode driver took it; it is bound to {}; `dpdk-devbind.py -b vfio-pci {}` "
                  "binds it (`doorslam check` tells more)",
                  pci_address, driver.empty() ? "no driver" : driver.string(), pci_address));
}

}  // namespace doorslam::ethdev
