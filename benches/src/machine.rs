//! What the figures were measured on, and what the process holds.

use std::fs;
use std::time::Duration;

/// Memory of this process in bytes, as Linux tells; all zero where it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident now: private memory and touched pages of mapped files.
    pub resident: u64,
    /// Private memory among it.
    pub private: u64,
    /// The most that was ever resident.
    pub peak: u64,
}

impl Memory {
    /// Reads `/proc/self/status`.
    pub fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bytes = |key: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            let kibibytes =
                line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
            kibibytes.unwrap_or(0) * 1024
        };
        Self {
            resident: bytes("VmRSS"),
            private: bytes("RssAnon"),
            peak: bytes("VmHWM"),
        }
    }
}

/// The processor time of all threads of this process so far; zero where the system does not tell.
pub fn processor_time() -> Duration {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
    #[cfg(not(unix))]
    {
        Duration::ZERO
    }
}

/// The processor, how many of it, and the memory, in one line; what is not known is left out.
pub fn machine() -> String {
    let field = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines()
            .find_map(|line| Some(line.strip_prefix(key)?.split_once(':')?.1.trim().to_owned()))
    };
    let processor =
        field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok())
        .map(|kibibytes| format!(", {:.0} GiB", kibibytes as f64 / 1_048_576.0))
        .unwrap_or_default();
    let vectors: &str = {
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f") {
                ", AVX-512"
            } else if std::arch::is_x86_feature_detected!("avx2") {
                ", AVX2"
            } else {
                ""
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            ""
        }
    };
    format!("{processor}, {cores} threads{memory}{vectors}")
}
