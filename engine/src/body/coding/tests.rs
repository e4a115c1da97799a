//! Coded bodies, whole and cut, honest and not.

use std::io::Write as _;

use super::*;
use flate2::{Compression, GzBuilder, write::ZlibEncoder};

fn gzip(bytes: &[u8], builder: GzBuilder) -> Vec<u8> {
    let mut encoder = builder.write(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What is inside, read in parts of so many bytes.
fn decode(coding: Coding, coded: &[u8], part: usize) -> Result<Vec<u8>, Unreadable> {
    let (mut decoder, mut plain) = (Decoder::new(coding), Vec::new());
    for chunk in coded.chunks(part) {
        decoder.push(chunk, &mut |bytes| {
            plain.extend_from_slice(bytes);
            Ok::<(), Unreadable>(())
        })?;
    }
    decoder.end()?;
    Ok(plain)
}

fn text() -> Vec<u8> {
    (0..30_000_u32).flat_map(|n| (n * n).to_le_bytes()).collect()
}

#[test]
fn parts_of_any_size_give_what_is_inside() {
    let text = text();
    let named = GzBuilder::new()
        .filename("a.json")
        .comment("b")
        .extra([1, 2, 3])
        .mtime(7);
    let empty_extra = GzBuilder::new().extra([]);
    for (coding, coded) in [
        (Coding::Gzip, gzip(&text, GzBuilder::new())),
        (Coding::Gzip, gzip(&text, named)),
        (Coding::Gzip, gzip(&text, empty_extra)),
        (Coding::Deflate, deflate(&text)),
    ] {
        for part in [1, 2, 7, 4_096, coded.len()] {
            assert_eq!(decode(coding, &coded, part).as_ref(), Ok(&text), "{part}");
        }
    }
    let members = [gzip(b"one", GzBuilder::new()), gzip(b" two", GzBuilder::new())].concat();
    assert_eq!(decode(Coding::Gzip, &members, 5), Ok(b"one two".to_vec()));
}

#[test]
fn what_is_damaged_cut_or_followed_is_unreadable() {
    let plain = &text()[..400];
    for (coding, good) in [
        (Coding::Gzip, gzip(plain, GzBuilder::new())),
        (Coding::Deflate, deflate(plain)),
    ] {
        for end in 0..good.len() {
            let cut = decode(coding, &good[..end], 64);
            assert_eq!(cut, Err(Unreadable(Detail::CutShort)), "cut at {end}");
        }
        let followed = decode(coding, &[&good[..], b"x"].concat(), 64);
        assert_eq!(followed, Err(Unreadable(Detail::ContentCoding)));
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                // Some bits say nothing of what is inside (a time, filling); whatever passes is the same text.
                let read = decode(coding, &bad, 64);
                assert!(
                    read.is_err() || read.as_deref() == Ok(plain),
                    "byte {at}, bit {bit}"
                );
            }
        }
    }
    for other in [&b"{\"a\":1}"[..], b"\x1f\x8b\x07", b"\x1f\x8b\x08\xff"] {
        let read = decode(Coding::Gzip, other, 64);
        assert_eq!(read, Err(Unreadable(Detail::ContentCoding)), "{other:?}");
    }
}

#[test]
fn a_bomb_ends_at_the_ratio() {
    let bomb = gzip(&vec![b' '; 64 << 20], GzBuilder::new());
    let (mut decoder, mut inside) = (Decoder::new(Coding::Gzip), 0_u64);
    let read = decoder.push(&bomb, &mut |bytes: &[u8]| {
        inside += bytes.len() as u64;
        Ok::<(), Unreadable>(())
    });
    assert_eq!(read, Err(Unreadable(Detail::TooLarge)));
    assert!(inside <= CODED_BODY_BYTES_FREE.max(bomb.len() as u64 * CODED_BODY_RATIO));
    let many: Vec<u8> = (0..1_000)
        .flat_map(|_| gzip(&[0; 20_000], GzBuilder::new()))
        .collect();
    assert_eq!(
        decode(Coding::Gzip, &many, 1_000),
        Err(Unreadable(Detail::TooLarge))
    );
}

#[test]
fn a_decoder_is_used_again() {
    let mut decoder = Decoder::new(Coding::Gzip);
    let coded = gzip(b"first", GzBuilder::new());
    let _ = decoder.push(&coded[..12], &mut |_| Ok::<(), Unreadable>(()));
    decoder.begin(Coding::Deflate);
    let mut plain = Vec::new();
    let read = decoder.push(&deflate(b"second"), &mut |bytes: &[u8]| {
        plain.extend_from_slice(bytes);
        Ok::<(), Unreadable>(())
    });
    assert_eq!((read, decoder.end()), (Ok(()), Ok(())));
    assert_eq!(plain, b"second");
}
