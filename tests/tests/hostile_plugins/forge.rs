//! WebAssembly by hand: what no compiler would write.
//!
//! In: a component. Out: the same with something evil in it. Never: needs a tool.

/// A number as WebAssembly has it.
pub(crate) fn leb(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = (n & 0x7f) as u8;
        n >>= 7;
        if n == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

pub(crate) fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(content.len() as u64), content].concat()
}

pub(crate) fn custom(name: &str, content: &[u8]) -> Vec<u8> {
    section(0, &[&leb(name.len() as u64)[..], name.as_bytes(), content].concat())
}

/// The outermost sections of a component: what it is, and where it begins and ends.
pub(crate) fn sections(bytes: &[u8]) -> Vec<(u8, std::ops::Range<usize>)> {
    let (mut at, mut out) = (8, Vec::new());
    while at < bytes.len() {
        let start = at;
        let (mut size, mut shift) = (0_u64, 0);
        at += 1;
        loop {
            let byte = bytes[at];
            at += 1;
            size |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        at += usize::try_from(size).expect("a section of a file");
        out.push((bytes[start], start..at));
    }
    out
}

/// The component without our section of that name.
pub(crate) fn without(bytes: &[u8], name: &str) -> Vec<u8> {
    let mut out = bytes[..8].to_vec();
    for (id, range) in sections(bytes) {
        let head = &bytes[range.start..range.end.min(range.start + 64)];
        if id != 0 || !head.windows(name.len()).any(|w| w == name.as_bytes()) {
            out.extend_from_slice(&bytes[range]);
        }
    }
    out
}

pub(crate) fn without_manifest(bytes: &[u8]) -> Vec<u8> {
    without(bytes, "beffroi:manifest")
}

/// A core module of these sections.
pub(crate) fn module(parts: &[Vec<u8>]) -> Vec<u8> {
    [&b"\0asm\x01\0\0\0"[..], &parts.concat()].concat()
}

/// A component of these sections.
pub(crate) fn shell(parts: &[Vec<u8>]) -> Vec<u8> {
    [&b"\0asm\x0d\0\x01\0"[..], &parts.concat()].concat()
}

/// The component with one more module, which is started as many times with every call.
pub(crate) fn with_module(component: &[u8], module: &[u8], instances: u64) -> Vec<u8> {
    let index = sections(component).iter().filter(|(id, _)| *id == 1).count() as u64;
    let one = [&[0][..], &leb(index), &leb(0)].concat();
    let all: Vec<u8> = [leb(instances), one.repeat(usize::try_from(instances).expect("few"))].concat();
    [component, &section(1, module), &section(2, &all)].concat()
}

/// Types: one function, which takes and gives nothing.
fn plain_type() -> Vec<u8> {
    section(1, &[1, 0x60, 0, 0])
}

fn function() -> Vec<u8> {
    section(3, &[1, 0])
}

fn code(locals: &[u8], body: &[u8]) -> Vec<u8> {
    let inside = [locals, body, &[0x0b]].concat();
    section(10, &[&[1][..], &leb(inside.len() as u64), &inside].concat())
}

/// A module whose start function is this.
fn starting(body: &[u8]) -> Vec<u8> {
    module(&[plain_type(), function(), section(8, &[0]), code(&[0], body)])
}

/// Never gets started.
pub(crate) fn endless() -> Vec<u8> {
    starting(&[0x03, 0x40, 0x0c, 0, 0x0b])
}

/// Dies when it is started.
pub(crate) fn dying() -> Vec<u8> {
    starting(&[0x00])
}

/// Has so many pages of memory.
pub(crate) fn memory(pages: u64) -> Vec<u8> {
    module(&[section(5, &[&[1, 0][..], &leb(pages)].concat())])
}

/// Has a table of so many elements.
pub(crate) fn table(elements: u64) -> Vec<u8> {
    module(&[section(4, &[&[1, 0x70, 0][..], &leb(elements)].concat())])
}

/// Grows a table until it is refused, and dies of that.
pub(crate) fn growing_table() -> Vec<u8> {
    // loop (if (table.grow null 1000) == -1 then unreachable) br
    let body = [0x03, 0x40, 0xd0, 0x70, 0x41, 0xe8, 0x07, 0xfc, 0x0f, 0, 0x41, 0x7f, 0x46, 0x04, 0x40, 0x00, 0x0b, 0x0c, 0, 0x0b];
    let table = section(4, &[1, 0x70, 0, 0]);
    module(&[plain_type(), function(), table, section(8, &[0]), code(&[0], &body)])
}

/// Calls itself from the start.
pub(crate) fn falling() -> Vec<u8> {
    starting(&[0x10, 0])
}

/// One function with so many variables and so many branches: slow to compile.
pub(crate) fn dense(locals: u64, blocks: usize) -> Vec<u8> {
    let declared = [&[1][..], &leb(locals), &[0x7f]].concat();
    let mut body = Vec::new();
    for n in 0..blocks {
        // if (local.get a) { local.set b (local.get c) }
        let at = |k: u64| leb((n as u64 * k) % locals);
        body.extend([&[0x20][..], &at(7), &[0x04, 0x40, 0x20], &at(13), &[0x21], &at(3), &[0x0b]].concat());
    }
    module(&[plain_type(), function(), code(&declared, &body)])
}

/// One function of blocks within blocks.
pub(crate) fn nested(depth: usize) -> Vec<u8> {
    let body = [[0x02, 0x40].repeat(depth), [0x0b].repeat(depth)].concat();
    module(&[plain_type(), function(), code(&[0], &body)])
}

/// So many functions that do nothing.
pub(crate) fn many_functions(count: u64) -> Vec<u8> {
    let kinds = [leb(count), vec![0; usize::try_from(count).expect("a number of functions")]].concat();
    let bodies = [leb(count), [2, 0, 0x0b].repeat(usize::try_from(count).expect("a number of functions"))].concat();
    module(&[plain_type(), section(3, &kinds), section(10, &bodies)])
}

/// Components within components.
pub(crate) fn russian_dolls(depth: usize) -> Vec<u8> {
    (0..depth).fold(shell(&[]), |inner, _| shell(&[section(4, &inner)]))
}

/// The same component with a note in it: another file, the same plugin.
pub(crate) fn shell_with_note(component: &[u8], note: &str) -> Vec<u8> {
    [component, &custom("note", note.as_bytes())].concat()
}
