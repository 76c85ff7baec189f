//! What a module in WebAssembly asks of whoever instantiates it.
//!
//! A module is a header of eight bytes and sections: a number, a length, content. The section of imports is a list of
//! two names and a description; the names are read, and the descriptions passed over.

use crate::Result;

const HEADER: &[u8] = b"\0asm\x01\0\0\0";
const IMPORT_SECTION: u8 = 2;

/// The imports of a module, as `MODULE NAME`.
pub fn imports(module: &[u8]) -> Result<Vec<String>> {
    let mut sections = Reader { bytes: module.strip_prefix(HEADER).ok_or("this is no module in WebAssembly")? };
    while !sections.bytes.is_empty() {
        let number = sections.byte()?;
        let length = sections.number()?;
        let section = sections.take(length)?;
        if number == IMPORT_SECTION {
            return Reader { bytes: section }.imports();
        }
    }
    Ok(Vec::new())
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn imports(&mut self) -> Result<Vec<String>> {
        let count = self.number()?;
        let mut imports = Vec::new();
        for _ in 0..count {
            let (module, name) = (self.name()?, self.name()?);
            self.skip_description()?;
            imports.push(format!("{module} {name}"));
        }
        Ok(imports)
    }

    fn skip_description(&mut self) -> Result {
        match self.byte()? {
            // A function, by its type.
            0 => self.number().map(drop),
            // A table: the type of its elements and its limits.
            1 => self.byte().and_then(|_| self.skip_limits()),
            // A memory.
            2 => self.skip_limits(),
            // A global: its type, and whether it changes.
            3 => self.take(2).map(drop),
            kind => Err(format!("an import of the unknown kind {kind}")),
        }
    }

    fn skip_limits(&mut self) -> Result {
        let has_maximum = self.byte()? & 1 == 1;
        self.number()?;
        if has_maximum {
            self.number()?;
        }
        Ok(())
    }

    fn name(&mut self) -> Result<&'a str> {
        let length = self.number()?;
        std::str::from_utf8(self.take(length)?).map_err(|error| format!("the name of an import is no text: {error}"))
    }

    /// Seven bits a byte, the lowest first.
    fn number(&mut self) -> Result<usize> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return usize::try_from(number).map_err(|error| format!("an odd number: {error}"));
            }
        }
        Err("a number of more than five bytes".into())
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or("the module ends too early")?;
        self.bytes = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with a section of types, which is passed over, and these imports.
    fn module(count: u8, imports: &[u8]) -> Vec<u8> {
        let mut module = HEADER.to_vec();
        module.extend([1, 4, 1, 0x60, 0, 0]);
        module.extend([IMPORT_SECTION, imports.len() as u8 + 1, count]);
        module.extend(imports);
        module
    }

    #[test]
    fn imports_of_all_kinds_are_read() {
        let bytes =
            b"\x03env\x01f\x00\x00\x01a\x01t\x01\x70\x01\x01\x85\x01\x01a\x01m\x02\x00\x11\x01a\x01g\x03\x7f\x01";
        assert_eq!(imports(&module(4, bytes)), Ok(["env f", "a t", "a m", "a g"].map(String::from).to_vec()));
    }

    #[test]
    fn a_module_without_the_section_imports_nothing() {
        assert_eq!(imports(HEADER), Ok(Vec::new()));
        assert_eq!(imports(&module(0, b"")), Ok(Vec::new()));
    }

    #[test]
    fn what_is_cut_off_or_odd_is_refused() {
        let whole = module(1, b"\x03env\x01f\x00\x00");
        assert!(imports(&whole).is_ok());
        // Between its sections a module may end.
        let ends = [HEADER.len(), HEADER.len() + 6];
        for end in 0..whole.len() {
            assert_eq!(imports(&whole[..end]).is_ok(), ends.contains(&end), "{end}");
        }
        assert!(imports(&module(1, b"\x01a\x01b\x07")).is_err());
        assert!(imports(&module(1, b"\xff\xff\xff\xff\xff\xff\x01a")).is_err());
        assert!(imports(&module(1, b"\x01\xff\x01b\x00\x00")).is_err());
    }
}
