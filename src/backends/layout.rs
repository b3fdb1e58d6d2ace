//! Where the records of classic tracepoints keep their fields, read from tracefs. An object has a section of constants
//! for each event, `.rodata.layout.GROUP.EVENT`, with a struct whose members are called as the fields are (bpf/tracepoints.h).

use std::ffi::OsStr;

use libbpf_rs::AsRawLibbpf;
use libbpf_rs::OpenObject;
use libbpf_rs::btf::Btf;
use libbpf_rs::btf::HasSize;
use libbpf_rs::btf::ReferencesType;
use libbpf_rs::btf::types::Array;
use libbpf_rs::btf::types::DataSec;
use libbpf_rs::btf::types::MemberAttr;
use libbpf_rs::btf::types::Struct;
use libbpf_rs::btf::types::Var;

use super::Refusal;
use super::Section;
use super::refusal::Step;
use crate::kernel::maps;
use crate::kernel::tracefs::Events;

const PREFIX: &str = ".rodata.layout.";

/// What a section wants to know of an event.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    section: String,
    group: String,
    event: String,
    /// The length of the section.
    len: usize,
    fields: Vec<Field>,
}

#[derive(Debug, PartialEq, Eq)]
struct Field {
    name: String,
    /// Its size as the C side reads it.
    size: u16,
    /// Where in the section its offset goes.
    place: usize,
}

/// Fills the sections of those events that are `loaded`. Of others nobody reads anything, so they are not looked at.
///
/// # Errors
/// An event, or a field of it, is not as expected.
pub fn fill(object: &mut OpenObject, events: &Events, loaded: impl Fn(Section<'_>) -> bool) -> Result<(), Refusal> {
    for layout in layouts(object) {
        if loaded(Section::Tracepoint(&layout.group, &layout.event)) {
            let path = format!("{}/{}", layout.group, layout.event);
            let format = events.format(&path).map_err(Refusal::tracefs)?;
            let bytes = layout.bytes(&format).map_err(|error| Refusal::new(error, "report this as a fault"))?;
            maps::set_bytes(object, &layout.section, &bytes)
                .map_err(|error| Refusal::unexplained(Step::Load, &layout.section, &error))?;
        }
    }
    Ok(())
}

fn layouts(object: &OpenObject) -> Vec<Layout> {
    // SAFETY: the object is open as long as it is borrowed.
    let Ok(Some(btf)) = Btf::from_bpf_object(unsafe { object.as_libbpf_object().as_ref() }) else { return Vec::new() };
    let sections = object.maps().filter_map(|map| map.name().to_str().map(str::to_owned));
    sections.filter_map(|section| layout(&btf, &section)).collect()
}

/// `None` if the section is none of a layout.
fn layout(btf: &Btf<'_>, section: &str) -> Option<Layout> {
    let (group, event) = section.strip_prefix(PREFIX)?.split_once('.')?;
    let datasec: DataSec<'_> = btf.type_by_name(section)?;
    let var: Var<'_> = btf.type_by_id(datasec.get(0)?.ty)?;
    let fields: Struct<'_> = var.referenced_type().skip_mods_and_typedefs().try_into().ok()?;
    Some(Layout {
        section: section.to_owned(),
        group: group.to_owned(),
        event: event.to_owned(),
        len: fields.size(),
        fields: fields
            .iter()
            .filter_map(|member| {
                let MemberAttr::Normal { offset } = member.attr else { return None };
                let offset_of: Struct<'_> = btf.type_by_id(member.ty)?;
                let sized = offset_of.iter().find(|member| member.name == Some(OsStr::new("sized")))?;
                let none: Array<'_> = btf.type_by_id(sized.ty)?;
                let bytes: Array<'_> = btf.type_by_id(none.ty())?;
                let name = member.name?.to_str()?.to_owned();
                Some(Field { name, size: bytes.capacity() as u16, place: offset as usize / 8 })
            })
            .collect(),
    })
}

impl Layout {
    /// The section for an event of this format, or the field that is not as expected.
    fn bytes(&self, format: &str) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; self.len];
        for field in &self.fields {
            match find(format, &field.name) {
                Some((offset, size)) if size == field.size => {
                    bytes[field.place..field.place + 2].copy_from_slice(&offset.to_ne_bytes());
                }
                _ => {
                    let (group, event) = (&self.group, &self.event);
                    return Err(format!(
                        "tracepoint {group}/{event} has no field {} of {} bytes",
                        field.name, field.size
                    ));
                }
            }
        }
        Ok(bytes)
    }
}

/// Offset and size of `field` in a tracepoint's format file, whose lines read
/// `field:TYPE NAME; offset:N; size:N; signed:N;` with NAME maybe an array.
#[must_use]
pub fn find(format: &str, field: &str) -> Option<(u16, u16)> {
    format.lines().find_map(|line| {
        let mut parts = line.trim().split(';').map(str::trim);
        let declaration = parts.next()?.strip_prefix("field:")?;
        // `saddr[sizeof(struct sockaddr_in6)]` before 5.11 or so.
        let declaration = if declaration.ends_with(']') { declaration.split('[').next()? } else { declaration };
        if declaration.split_whitespace().last()? != field {
            return None;
        }
        let offset = parts.next()?.strip_prefix("offset:")?.parse().ok()?;
        let size = parts.next()?.strip_prefix("size:")?.parse().ok()?;
        Some((offset, size))
    })
}

#[cfg(test)]
mod tests {
    use libbpf_rs::ObjectBuilder;

    use super::*;

    const OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tcpconnect.bpf.o"));

    #[test]
    fn reads_plain_fields_and_arrays() {
        let format = "name: inet_sock_set_state\nformat:\n\
            \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
            \tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;\n\
            \tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;\n\
            \tfield:__u8 saddr_v6[16];\toffset:40;\tsize:16;\tsigned:0;\n\
            \tfield:__u8 peer[sizeof(struct sockaddr_in6)];\toffset:56;\tsize:28;\tsigned:0;\n\
            \tfield:__data_loc char[] name;\toffset:84;\tsize:4;\tsigned:0;\n";
        assert_eq!(find(format, "peer"), Some((56, 28)));
        assert_eq!(find(format, "name"), Some((84, 4)));
        assert_eq!(find(format, "skaddr"), Some((8, 8)));
        assert_eq!(find(format, "saddr"), Some((32, 4)));
        assert_eq!(find(format, "saddr_v6"), Some((40, 16)));
        assert_eq!(find(format, "daddr"), None);
    }

    #[test]
    fn each_event_has_a_section_of_its_own() {
        let object = ObjectBuilder::default().open_memory(OBJECT).unwrap();
        let mut layouts = layouts(&object);
        layouts.sort_by(|one, other| one.section.cmp(&other.section));
        let [state, started, resent] = &layouts[..] else { panic!("{layouts:?}") };
        assert_eq!((&*started.group, &*started.event, started.fields.len()), ("task", "task_newtask", 2));
        assert_eq!((&*state.group, &*state.event, state.fields.len()), ("sock", "inet_sock_set_state", 11));
        let field = |name: &str, size, place| Field { name: name.into(), size, place };
        assert_eq!((&*resent.group, &*resent.event), ("tcp", "tcp_retransmit_skb"));
        assert_eq!(resent.fields, [field("skaddr", 8, 0), field("state", 4, 2), field("sport", 2, 4)]);

        let line = |name, size| format!("\tfield:int {name};\toffset:{size}0;\tsize:{size};\n");
        let format = line("sport", 2) + &line("state", 4) + &line("skaddr", 8);
        assert_eq!(resent.bytes(&format).unwrap(), [80_u16, 40, 20].map(u16::to_ne_bytes).concat());
        let other = line("sport", 2) + &line("state", 8) + &line("skaddr", 8);
        assert!(resent.bytes(&other).unwrap_err().contains("no field state of 4 bytes"));
    }
}
