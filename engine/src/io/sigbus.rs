//! A page of a map that cannot be had: a mark and zeros, instead of the end of the process.
//!
//! When a file was cut short, the medium does not give a page, or a file system in memory is full,
//! whoever touches the page gets SIGBUS. The handler here finds the map by the address, marks it,
//! puts a page of zeros in the place, and lets the reader go on. No checksum holds over zeros that
//! were not written, so the reader asks the medium, and that answers with an error that can be
//! told. What happens outside of the maps goes to the handler that stood here before.
//!
//! The handler comes in the middle of anything. It takes no lock, allocates nothing and calls only
//! what a handler may. It finds the map in a table of atomics, whose lock is for those who map and
//! unmap.
#![allow(unsafe_code)]

#[cfg(test)]
mod tests;

// Words that a handler of a signal looks at, whatever stands in for `std`.
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
use std::{
    ffi::{c_int, c_void},
    io, mem, ptr,
    sync::{Mutex, PoisonError},
};

#[cfg(target_os = "linux")]
use libc::__errno_location as errno_location;
#[cfg(not(target_os = "linux"))]
use libc::__error as errno_location;

/// Most maps at a time; a process has 65,530 unless the system is told otherwise.
const MAPS: usize = 1 << 16;

/// `si_code` of an access that is not aligned: other bytes there would not help.
const MISALIGNED: c_int = 1;
/// The last `si_code` of what an access has led to. Above it are notices of the kernel that came
/// to nobody in particular, whose map may be gone by now.
const LAST_OF_ACCESS: c_int = 4;

/// A place in the table. Whoever is in the handler for a fault in a map keeps that map from being
/// unmapped, so the slot that it looks for does not change; of others it must only see that they
/// are not whole.
struct Slot {
    /// Odd while the range changes.
    version: AtomicU32,
    faulted: AtomicBool,
    start: AtomicUsize,
    /// 0 for a free slot.
    len: AtomicUsize,
}

static SLOTS: [Slot; MAPS] = [const { Slot::free() }; MAPS];
/// Slots that were ever taken: no others are looked at.
static USED: AtomicUsize = AtomicUsize::new(0);
/// The slot of the fault before: faults come in runs.
static LATEST: AtomicUsize = AtomicUsize::new(0);
static PAGE: AtomicUsize = AtomicUsize::new(4096);
/// What is to be done about other faults; null for the default.
static PREVIOUS: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());
static BOOK: Mutex<Book> = Mutex::new(Book {
    installed: false,
    free: Vec::new(),
});

/// What only those who map and unmap look at.
struct Book {
    installed: bool,
    free: Vec<usize>,
}

/// A map that the handler knows, until this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    slot: usize,
}

impl Watch {
    /// Makes a map known; the first one installs the handler.
    ///
    /// # Safety
    /// `start..start + len` is a map of a file that is read and nothing else, and it stays until
    /// this is dropped.
    pub(super) unsafe fn over(start: *const u8, len: usize) -> io::Result<Watch> {
        let mut book = BOOK.lock().unwrap_or_else(PoisonError::into_inner);
        if !book.installed {
            install()?;
            book.installed = true;
        }
        let used = USED.load(Ordering::Relaxed);
        let slot = match book.free.pop() {
            Some(slot) => slot,
            None if used < MAPS => used,
            None => {
                let reason = "there are too many maps; map fewer segments at a time";
                return Err(io::Error::new(io::ErrorKind::OutOfMemory, reason));
            }
        };
        SLOTS[slot].faulted.store(false, Ordering::Relaxed);
        SLOTS[slot].set(start.expose_provenance(), len);
        USED.fetch_max(slot + 1, Ordering::Release);
        Ok(Watch { slot })
    }

    /// Whether a page of the map could not be had since it was made. Asked after bytes of it were
    /// read, `false` says that they were those of the file.
    pub(super) fn has_faulted(&self) -> bool {
        // What was read before must not be read behind the flag.
        fence(Ordering::Acquire);
        SLOTS[self.slot].faulted.load(Ordering::Acquire)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut book = BOOK.lock().unwrap_or_else(PoisonError::into_inner);
        SLOTS[self.slot].set(0, 0);
        book.free.push(self.slot);
    }
}

impl Slot {
    const fn free() -> Slot {
        Slot {
            version: AtomicU32::new(0),
            faulted: AtomicBool::new(false),
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
        }
    }

    /// By one at a time, under the lock.
    fn set(&self, start: usize, len: usize) {
        let version = self.version.load(Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.start.store(start, Ordering::Relaxed);
        self.len.store(len, Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
    }

    /// Start and length, when the address is in there.
    fn holds(&self, address: usize) -> Option<(usize, usize)> {
        let version = self.version.load(Ordering::Acquire);
        let start = self.start.load(Ordering::Relaxed);
        let len = self.len.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let whole = version & 1 == 0 && self.version.load(Ordering::Relaxed) == version;
        (whole && address.wrapping_sub(start) < len).then_some((start, len))
    }
}

/// Puts the handler before the one that is there.
fn install() -> io::Result<()> {
    // SAFETY: It only asks.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    if let Ok(page) = usize::try_from(page)
        && page.is_power_of_two()
    {
        PAGE.store(page, Ordering::Relaxed);
    }
    let previous = exchange(None)?;
    // What comes to the handler at once must find it. Nobody can tell when it was read for the
    // last time, so it stays.
    let expected = previous.sa_sigaction;
    let ours = ours(&previous);
    PREVIOUS.store(Box::into_raw(Box::new(previous)), Ordering::Release);
    let replaced = exchange(Some(&ours))?;
    if replaced.sa_sigaction != expected {
        PREVIOUS.store(Box::into_raw(Box::new(replaced)), Ordering::Release);
    }
    Ok(())
}

/// What the system is told: the mask is that of the handler before, which runs under it.
fn ours(previous: &libc::sigaction) -> libc::sigaction {
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_sigbus;
    let mut ours = *previous;
    ours.sa_sigaction = handler as *const () as libc::sighandler_t;
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    ours
}

/// What is done about SIGBUS; a new action takes its place.
fn exchange(new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    // SAFETY: Of a struct of integers and optional pointers zeros are a value.
    let mut old: libc::sigaction = unsafe { mem::zeroed() };
    let new = new.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: Both are null or live through the call. The handler that is given is async-signal-safe,
    // as this module argues, or the default.
    match unsafe { libc::sigaction(libc::SIGBUS, new, &mut old) } {
        0 => Ok(old),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn on_sigbus(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: The location is the thread's own. The code that was interrupted may look at it.
    let errno = unsafe { *errno_location() };
    // SAFETY: With SA_SIGINFO the system passes what lives as long as the call.
    let mended = unsafe { info.as_ref() }.is_some_and(mend);
    // SAFETY: As above.
    unsafe { *errno_location() = errno };
    if !mended {
        pass_on(signal, info, context);
    }
}

/// Marks the map that a fault is in and puts zeros in the place; `false` when there is none.
fn mend(info: &libc::siginfo_t) -> bool {
    if !(MISALIGNED + 1..=LAST_OF_ACCESS).contains(&info.si_code) {
        return false;
    }
    // SAFETY: With these codes the field is an address.
    let address = unsafe { info.si_addr() }.addr();
    let Some((slot, start, len)) = find(address) else {
        return false;
    };
    // Before there is anything wrong to be read.
    slot.faulted.store(true, Ordering::SeqCst);
    let page = PAGE.load(Ordering::Relaxed);
    // Each page that is exchanged makes a map of its own of what lies on both sides; where the
    // process may not have more of them, the whole is exchanged.
    put_zeros(address & !(page - 1), page) || put_zeros(start, len)
}

fn find(address: usize) -> Option<(&'static Slot, usize, usize)> {
    let at = |number: usize| {
        let slot = SLOTS.get(number)?;
        let (start, len) = slot.holds(address)?;
        Some((slot, start, len))
    };
    let latest = LATEST.load(Ordering::Relaxed);
    at(latest).or_else(|| {
        let number = (0..USED.load(Ordering::Acquire)).find(|number| at(*number).is_some())?;
        LATEST.store(number, Ordering::Relaxed);
        at(number)
    })
}

fn put_zeros(start: usize, len: usize) -> bool {
    let place = ptr::with_exposed_provenance_mut::<c_void>(start);
    let kind = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: The range lies in a map that is read and nothing else, and that the thread which the
    // handler has interrupted is reading from: so it stays until the handler returns. Bytes that
    // were lent turn to zeros, which `has_faulted` says. Unmapping the whole map unmaps this page.
    let mapped = unsafe { libc::mmap(place, len, libc::PROT_READ, kind, -1, 0) };
    mapped != libc::MAP_FAILED
}

/// Does what would be done without this handler.
fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: What it points to is never freed.
    let previous = unsafe { PREVIOUS.load(Ordering::Acquire).as_ref() };
    // SAFETY: As in `on_sigbus`.
    let code = unsafe { info.as_ref() }.map_or(0, |info| info.si_code);
    // When the handler returns, the access is made again, and meets the same fault.
    let again = (MISALIGNED..=LAST_OF_ACCESS).contains(&code);
    let Some(previous) = previous.filter(|p| p.sa_sigaction != libc::SIG_DFL) else {
        return end(signal, again);
    };
    if previous.sa_sigaction == libc::SIG_IGN {
        // Of an access that cannot be made the system does not let that be said.
        if again {
            end(signal, again);
        }
        return;
    }
    if previous.sa_flags & libc::SA_RESETHAND != 0 {
        PREVIOUS.store(ptr::null_mut(), Ordering::Release);
    }
    if previous.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: Its flags say that it is such a function.
        let handler = unsafe {
            mem::transmute::<usize, extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void)>(
                previous.sa_sigaction,
            )
        };
        handler(signal, info, context);
    } else {
        // SAFETY: Its flags say that it is such a function.
        let handler =
            unsafe { mem::transmute::<usize, extern "C" fn(c_int)>(previous.sa_sigaction) };
        handler(signal);
    }
    // A handler may choose the default for what comes next and return, as that of Rust's standard
    // library does. It meant its own place.
    if exchange(None).is_ok_and(|now| now.sa_sigaction == libc::SIG_DFL) {
        PREVIOUS.store(ptr::null_mut(), Ordering::Release);
        let _ = exchange(Some(&ours(previous)));
    }
}

/// Ends the process as the default does: by the fault itself, when it comes `again`.
fn end(signal: c_int, again: bool) {
    // SAFETY: Zeros are no flags, an empty mask and the default.
    let mut default: libc::sigaction = unsafe { mem::zeroed() };
    default.sa_sigaction = libc::SIG_DFL;
    let _ = exchange(Some(&default));
    if !again {
        // SAFETY: A handler may; it is delivered when this one has returned.
        unsafe { libc::raise(signal) };
    }
}
