//! The allocator of the command, and how it treats memory during a load.

/// A load frees and takes buffers of megabytes all the time: what the system's allocator gives back to
/// the kernel at once and fetches again, page by page, this one keeps for a while.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What suits a load: freed memory is kept for ten seconds and comes in large pages. Without the two a
/// load takes about a seventh more processor time, all of it the kernel's, for clearing pages.
#[cfg(unix)]
const OPTIONS: [(&str, &str); 2] = [
    ("MIMALLOC_PURGE_DELAY", "10000"),
    ("MIMALLOC_ALLOW_LARGE_OS_PAGES", "1"),
];

/// Starts the command over with these options, unless somebody chose them; the allocator reads them
/// from the environment only, before there is any code of ours. Returns if there is nothing to do or
/// it cannot be done: the load is then slower and otherwise the same.
#[cfg(unix)]
pub(crate) fn prepare_for_load() {
    use std::env;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    if OPTIONS.iter().any(|(name, _)| env::var_os(name).is_some()) {
        return;
    }
    let mut words = env::args_os();
    let (Some(name), Ok(program)) = (words.next(), env::current_exe()) else {
        return;
    };
    // Comes back only if it fails.
    let _ = Command::new(program)
        .arg0(name)
        .args(words)
        .envs(OPTIONS)
        .exec();
}

/// Processes cannot be replaced here.
#[cfg(not(unix))]
pub(crate) fn prepare_for_load() {}
