//! Bytes -> the fields of one protobuf message, in order. One pass, no recursion; groups are not supported.

/// Not a protobuf message of the expected shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bad;

/// One field of a message.
pub(crate) enum Field<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire type 5; no field we read has it.
    Fixed32,
}

/// Takes the next field off a message: its number and what it holds.
pub(crate) fn field<'a>(rest: &mut &'a [u8]) -> Result<Option<(u64, Field<'a>)>, Bad> {
    if rest.is_empty() {
        return Ok(None);
    }
    let key = varint(rest)?;
    let value = match key & 7 {
        0 => Field::Varint(varint(rest)?),
        1 => Field::Fixed64(u64::from_le_bytes(take(rest, 8)?.try_into().map_err(|_| Bad)?)),
        2 => {
            let len = usize::try_from(varint(rest)?).map_err(|_| Bad)?;
            Field::Bytes(take(rest, len)?)
        }
        5 => {
            take(rest, 4)?;
            Field::Fixed32
        }
        _ => return Err(Bad),
    };
    Ok(Some((key >> 3, value)))
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], Bad> {
    let (taken, left) = rest.split_at_checked(len).ok_or(Bad)?;
    *rest = left;
    Ok(taken)
}

fn varint(rest: &mut &[u8]) -> Result<u64, Bad> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *take(rest, 1)?.first().ok_or(Bad)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Bad)
}
