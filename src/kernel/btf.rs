//! The kernel's description of its own types (BTF): read once in a process, and reduced to what a BPF object needs.
//!
//! libbpf reads and checks all of it for each object that it loads, and searches all of it for each type that the
//! programs name. That took most of the time of a start. Of a few dozen types all this is quick.

use std::collections::HashMap;
use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::io::Read;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use foldhash::fast::FixedState;
use nix::libc::c_void;
use nix::sys::mman::MapFlags;
use nix::sys::mman::ProtFlags;
use nix::sys::mman::mmap;
use nix::sys::mman::munmap;

// Kinds of types (uapi/linux/btf.h).
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const FWD: u32 = 7;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;
const DATASEC: u32 = 15;
const FLOAT: u32 = 16;
const DECL_TAG: u32 = 17;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

const MAGIC: u16 = 0xeb9f;
const VERSION: u8 = 1;
const HEADER_LEN: usize = 24;
/// Of each type: its name, kind and number of parts, size or other type. Then come its parts.
const TYPE_LEN: usize = 12;

/// The types of the running kernel.
pub struct KernelBtf {
    bytes: Bytes,
    /// Where each type begins. The first is number 1.
    types: Vec<u32>,
    /// Where the names begin.
    names: usize,
}

/// What one object needs of them.
pub struct Reduced {
    /// The form of a file.
    pub bytes: Vec<u8>,
    /// The numbers that the kernel has for what programs attach to.
    pub targets: HashMap<String, u32>,
}

impl Default for Reduced {
    /// Nothing.
    fn default() -> Self {
        Self { bytes: file(&[], &[0]), targets: HashMap::new() }
    }
}

static READ: Mutex<Option<Arc<KernelBtf>>> = Mutex::new(None);

impl KernelBtf {
    /// Reads it, or takes what was read before.
    ///
    /// # Errors
    /// The kernel has none, or one of a later kind than we know.
    pub fn get() -> io::Result<Arc<Self>> {
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(btf) = &*read {
            return Ok(Arc::clone(btf));
        }
        let btf = Self::new(Bytes::read("/sys/kernel/btf/vmlinux")?).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Arc::clone(read.insert(Arc::new(btf))))
    }

    /// Gives the memory back: before Linux 6.16 that is a copy of 5 MB.
    pub fn forget() {
        READ.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn new(bytes: Bytes) -> Option<Self> {
        if bytes.len() < HEADER_LEN || bytes[..2] != MAGIC.to_ne_bytes() {
            return None;
        }
        let [header_len, types_at, types_len, names_at] = [4, 8, 12, 16].map(|at| word(&bytes, at) as usize);
        let (begin, names) = (header_len + types_at, header_len + names_at);
        let end = begin + types_len;
        if end > bytes.len() || names > bytes.len() {
            return None;
        }
        let mut types = Vec::with_capacity(types_len / 20);
        let mut at = begin;
        while at + TYPE_LEN <= end {
            types.push(at as u32);
            at += TYPE_LEN + parts_len(word(&bytes, at + 4))?;
        }
        (at == end).then_some(Self { bytes, types, names })
    }

    /// The number of each type, and where it begins.
    fn types(&self) -> impl Iterator<Item = (u32, usize)> {
        (1..).zip(self.types.iter().map(|&at| at as usize))
    }

    fn kind(&self, at: usize) -> u32 {
        kind(word(&self.bytes, at + 4))
    }

    /// The name that the type or the part at this place has, and what lies behind it.
    fn name_onwards(&self, at: usize) -> &[u8] {
        self.bytes.get(self.names + word(&self.bytes, at) as usize..).unwrap_or_default()
    }

    fn name(&self, at: usize) -> &[u8] {
        until_nul(self.name_onwards(at))
    }

    /// Where the parts of a type that have names begin.
    fn parts(&self, at: usize) -> impl Iterator<Item = usize> + use<> {
        let info = word(&self.bytes, at + 4);
        (0..count(info)).map(move |part| at + TYPE_LEN + part * part_len(kind(info)))
    }

    /// Whether a struct has a member. `None`: there is no such struct.
    #[must_use]
    pub fn has_member(&self, structure: &str, member: &str) -> Option<bool> {
        let (_, at) = self.types().find(|&(_, at)| self.kind(at) == STRUCT && self.name(at) == structure.as_bytes())?;
        Some(self.parts(at).any(|part| self.name(part) == member.as_bytes()))
    }

    #[must_use]
    pub fn has_function(&self, name: &str) -> bool {
        self.types().any(|(_, at)| self.kind(at) == FUNC && self.name(at) == name.as_bytes())
    }

    /// What an object needs whose own BTF has these names, each with a NUL behind it, and whose programs attach
    /// to `targets`, functions or `btf_trace_EVENT`. Types and members of other names are left out.
    #[must_use]
    pub fn reduce(&self, names: &[u8], targets: &[String]) -> Reduced {
        let wanted: HashSet<&[u8], FixedState> = names.split(|&byte| byte == 0).map(without_flavor).collect();
        let mut sieve = Sieve::default();
        wanted.iter().copied().chain(targets.iter().map(String::as_bytes)).for_each(|name| sieve.add(name));
        let mut reduction = Reduction::new(self, &wanted);
        let mut found = HashMap::new();
        for (number, at) in self.types() {
            if !sieve.may_have(self.name_onwards(at)) {
                continue;
            }
            let (kind, name) = (self.kind(at), self.name(at));
            if matches!(kind, FUNC | TYPEDEF)
                && let Some(target) = targets.iter().find(|target| target.as_bytes() == name)
            {
                found.entry(target.clone()).or_insert(number);
            } else if matches!(kind, INT | STRUCT | UNION | ENUM | ENUM64 | TYPEDEF | FWD) && wanted.contains(name) {
                reduction.number(number);
            }
        }
        Reduced { bytes: reduction.into_bytes(), targets: found }
    }
}

/// Types on their way from the kernel's BTF into a file of their own.
struct Reduction<'a> {
    btf: &'a KernelBtf,
    wanted: &'a HashSet<&'a [u8], FixedState>,
    /// The kernel's numbers, in the order of the new ones.
    taken: Vec<u32>,
    numbers: HashMap<u32, u32, FixedState>,
    names: Vec<u8>,
    /// Where they are, by where the kernel's are.
    names_at: HashMap<u32, u32, FixedState>,
}

impl<'a> Reduction<'a> {
    fn new(btf: &'a KernelBtf, wanted: &'a HashSet<&'a [u8], FixedState>) -> Self {
        let names_at = HashMap::from_iter([(0, 0)]);
        Self { btf, wanted, taken: Vec::new(), numbers: HashMap::default(), names: vec![0], names_at }
    }

    /// The new number of a type, which is taken with it. What is a function or not there becomes void.
    fn number(&mut self, number: u32) -> u32 {
        match self.at(number) {
            Some(at) if self.btf.kind(at) != FUNC_PROTO => *self.numbers.entry(number).or_insert_with(|| {
                self.taken.push(number);
                self.taken.len() as u32
            }),
            _ => 0,
        }
    }

    fn at(&self, number: u32) -> Option<usize> {
        self.btf.types.get((number as usize).checked_sub(1)?).map(|&at| at as usize)
    }

    fn name(&mut self, at: usize) -> u32 {
        let btf = self.btf;
        *self.names_at.entry(word(&btf.bytes, at)).or_insert_with(|| {
            let begin = self.names.len() as u32;
            self.names.extend_from_slice(btf.name(at));
            self.names.push(0);
            begin
        })
    }

    fn into_bytes(mut self) -> Vec<u8> {
        let mut types = Vec::new();
        let mut done = 0;
        // It grows by what the types are made of.
        while let Some(at) = self.taken.get(done).and_then(|&number| self.at(number)) {
            done += 1;
            self.put_type(&mut types, at);
        }
        file(&types, &self.names)
    }

    fn put_type(&mut self, out: &mut Vec<u8>, at: usize) {
        let btf = self.btf;
        let field = |nth: usize| word(&btf.bytes, at + 4 * nth);
        let (info, size_or_type) = (field(1), field(2));
        put(out, self.name(at));
        match kind(info) {
            kind @ (STRUCT | UNION | ENUM | ENUM64) => {
                // A member without a name may have some that are asked for.
                let asked = |&part: &usize| word(&btf.bytes, part) == 0 || self.wanted.contains(btf.name(part));
                let parts: Vec<usize> = btf.parts(at).filter(asked).collect();
                put(out, info & !0xffff | parts.len() as u32);
                put(out, size_or_type);
                for part in parts {
                    put(out, self.name(part));
                    let second = word(&btf.bytes, part + 4);
                    put(out, if matches!(kind, STRUCT | UNION) { self.number(second) } else { second });
                    out.extend_from_slice(&btf.bytes[part + 8..part + part_len(kind)]);
                }
            }
            PTR => [info, 0].iter().for_each(|&field| put(out, field)), // no field lies behind it
            TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => {
                put(out, info);
                put(out, self.number(size_or_type));
            }
            ARRAY => {
                let [of, index] = [field(3), field(4)].map(|number| self.number(number));
                [info, size_or_type, of, index, field(5)].iter().for_each(|&field| put(out, field));
            }
            _ => {
                let parts = parts_len(info).unwrap_or_default();
                out.extend_from_slice(&btf.bytes[at + 4..at + TYPE_LEN + parts]);
            }
        }
    }
}

/// All names of a BTF file, each with a NUL behind it.
#[must_use]
pub fn names(file: &[u8]) -> &[u8] {
    let [header_len, names_at, len] = [4, 16, 20].map(|at| word(file, at) as usize);
    file.get(header_len + names_at..).and_then(|names| names.get(..len)).unwrap_or_default()
}

fn file(types: &[u8], names: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEADER_LEN + types.len() + names.len());
    file.extend_from_slice(&MAGIC.to_ne_bytes());
    file.extend_from_slice(&[VERSION, 0]);
    // hdr_len, type_off, type_len, str_off, str_len
    for number in [HEADER_LEN, 0, types.len(), types.len(), names.len()] {
        put(&mut file, number as u32);
    }
    file.extend_from_slice(types);
    file.extend_from_slice(names);
    file
}

/// Which names may be among some, by their first bytes: few of the kernel's are looked at as a whole.
struct Sieve(Vec<bool>);

impl Sieve {
    const BITS: u32 = 14;

    fn add(&mut self, name: &[u8]) {
        self.0[Self::hole(name)] |= !name.is_empty();
    }

    fn may_have(&self, name_onwards: &[u8]) -> bool {
        self.0[Self::hole(name_onwards)]
    }

    fn hole(name: &[u8]) -> usize {
        let first = name.iter().take(4).take_while(|&&byte| byte != 0);
        let number = first.fold(0, |number: u32, &byte| number << 8 | u32::from(byte));
        (number.wrapping_mul(0x9e37_79b1) >> (32 - Self::BITS)) as usize
    }
}

impl Default for Sieve {
    fn default() -> Self {
        Self(vec![false; 1 << Self::BITS])
    }
}

/// What a file of sysfs holds: mapped, as Linux 6.16 and later let us, or a copy.
enum Bytes {
    Mapped(NonNull<c_void>, usize),
    Copied(Vec<u8>),
}

// SAFETY: nobody writes to it, and where it is mapped is not bound to a thread.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}

impl Bytes {
    fn read(path: &str) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len() as usize;
        if let Some(size) = NonZeroUsize::new(len)
            // SAFETY: a new mapping at a place of the kernel's choice overlaps nothing.
            && let Ok(start) = unsafe { mmap(None, size, ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE, &file, 0) }
        {
            return Ok(Self::Mapped(start, len));
        }
        let mut copy = Vec::with_capacity(len + 1);
        file.read_to_end(&mut copy)?;
        Ok(Self::Copied(copy))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            // SAFETY: mapped as long as this lives, and the kernel never changes it.
            Self::Mapped(start, len) => unsafe { slice::from_raw_parts(start.cast().as_ptr(), *len) },
            Self::Copied(copy) => copy,
        }
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        if let Self::Mapped(start, len) = *self {
            // SAFETY: mapped in `read`, and every reference into it has ended.
            let _ = unsafe { munmap(start, len) };
        }
    }
}

fn kind(info: u32) -> u32 {
    info >> 24 & 0x1f
}

/// How many parts a type has.
fn count(info: u32) -> usize {
    info as usize & 0xffff
}

/// The length of each.
fn part_len(kind: u32) -> usize {
    match kind {
        STRUCT | UNION | DATASEC | ENUM64 => 12,
        ENUM | FUNC_PROTO => 8,
        _ => 0,
    }
}

/// The length of all that follows on a type. `None`: of a kind that is not known.
fn parts_len(info: u32) -> Option<usize> {
    match kind(info) {
        INT | VAR | DECL_TAG => Some(4),
        ARRAY => Some(12),
        kind @ (STRUCT | UNION | DATASEC | ENUM64 | ENUM | FUNC_PROTO) => Some(count(info) * part_len(kind)),
        PTR | FWD | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | FLOAT | TYPE_TAG => Some(0),
        _ => None,
    }
}

/// A name as the kernel has it: what follows on three underscores tells apart those that we give to one type.
fn without_flavor(name: &[u8]) -> &[u8] {
    match name.windows(3).rposition(|three| three == b"___") {
        Some(end) if end > 0 => &name[..end],
        _ => name,
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |&word| u32::from_ne_bytes(word))
}

fn put(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A BTF file under construction.
    struct Builder {
        types: Vec<u8>,
        names: Vec<u8>,
    }

    impl Builder {
        fn add(&mut self, name: &str, kind: u32, count: u32, size_or_type: u32) -> &mut Self {
            self.part(name, kind << 24 | count, size_or_type)
        }

        fn part(&mut self, name: &str, second: u32, third: u32) -> &mut Self {
            let at = if name.is_empty() { 0 } else { self.names.len() as u32 };
            if at > 0 {
                self.names.extend_from_slice(name.as_bytes());
                self.names.push(0);
            }
            [at, second, third].iter().for_each(|&number| put(&mut self.types, number));
            self
        }

        fn more(&mut self, numbers: &[u32]) -> &mut Self {
            numbers.iter().for_each(|&number| put(&mut self.types, number));
            self
        }

        fn build(&self) -> KernelBtf {
            KernelBtf::new(Bytes::Copied(file(&self.types, &self.names))).unwrap()
        }
    }

    fn kernel() -> KernelBtf {
        let mut builder = Builder { types: Vec::new(), names: vec![0] };
        builder.add("int", INT, 0, 4).more(&[32]); // 1
        builder.add("", FUNC_PROTO, 1, 1).more(&[0, 1]); // 2
        builder.add("tcp_connect", FUNC, 1, 2); // 3
        builder.add("", UNION, 2, 4).part("port", 1, 0).part("left_out", 1, 0); // 4
        builder.add("", PTR, 0, 6); // 5
        builder.add("sock", STRUCT, 4, 32); // 6
        builder.part("", 4, 64).part("next", 5, 128).part("other", 8, 0).part("ports", 7, 192);
        builder.add("", ARRAY, 0, 0).more(&[1, 1, 2]); // 7
        builder.add("unasked", STRUCT, 0, 8); // 8
        builder.add("", PTR, 0, 2); // 9
        builder.add("btf_trace_sock", TYPEDEF, 0, 9); // 10
        builder.add("tcp_connect", FUNC, 1, 2); // 11
        builder.build()
    }

    type Member = (String, u32, u32);

    /// Kind, name, size or type, and members of each type.
    fn list(btf: &KernelBtf) -> Vec<(u32, String, u32, Vec<Member>)> {
        let text = |at| String::from_utf8(btf.name(at).to_vec()).unwrap();
        let number = |at| word(&btf.bytes, at);
        let parts = |at| btf.parts(at).map(|part| (text(part), number(part + 4), number(part + 8))).collect();
        btf.types().map(|(_, at)| (btf.kind(at), text(at), number(at + 8), parts(at))).collect()
    }

    #[test]
    fn what_is_asked_for_keeps_its_place_and_nothing_else_is_left() {
        let targets = ["tcp_connect", "btf_trace_sock", "gone"].map(str::to_owned);
        let reduced = kernel().reduce(b"\0sock___old\0port\0ports\0next\0", &targets);
        let member = |name: &str, kind, place| (name.to_owned(), kind, place);
        let left = KernelBtf::new(Bytes::Copied(reduced.bytes)).unwrap();
        assert_eq!(
            list(&left),
            [
                (STRUCT, "sock".into(), 32, vec![member("", 2, 64), member("next", 3, 128), member("ports", 4, 192)]),
                (UNION, String::new(), 4, vec![member("port", 5, 0)]),
                (PTR, String::new(), 0, vec![]),
                (ARRAY, String::new(), 0, vec![]),
                (INT, "int".into(), 4, vec![]),
            ]
        );
        // The first of a name, as libbpf takes it.
        assert_eq!(reduced.targets, HashMap::from([("tcp_connect".into(), 3), ("btf_trace_sock".into(), 10)]));
    }

    #[test]
    fn says_what_there_is() {
        assert_eq!(kernel().has_member("sock", "other"), Some(true));
        assert_eq!(kernel().has_member("sock", "port"), Some(false));
        assert_eq!(kernel().has_member("int", "port"), None);
        assert!(kernel().has_function("tcp_connect"));
        assert!(!kernel().has_function("sock"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let mut builder = Builder { types: Vec::new(), names: vec![0] };
        builder.add("new", ENUM64 + 1, 0, 0);
        let unknown = file(&builder.types, &builder.names);
        let cut = unknown[..unknown.len() - 5].to_vec();
        for bytes in [unknown, cut, vec![0; 40], vec![]] {
            assert!(KernelBtf::new(Bytes::Copied(bytes)).is_none());
        }
        let nothing = KernelBtf::new(Bytes::Copied(Reduced::default().bytes)).unwrap();
        assert!(list(&nothing).is_empty());
    }

    #[test]
    fn the_sieve_holds_back_no_name() {
        let mut sieve = Sieve::default();
        for name in ["ab", "pid", "sock", "sock_common"] {
            sieve.add(name.as_bytes());
            assert!(sieve.may_have(format!("{name}\0next").as_bytes()));
        }
        assert!(!sieve.may_have(b"\0next"));
    }
}
