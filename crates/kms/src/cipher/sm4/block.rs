//! The block cipher SM4 (GB/T 32907-2016), sixteen blocks at a time and in constant time.
//!
//! The usual way looks bytes up in a table, and the processor's cache then tells others which. Here bit `p` of every
//! byte stands in plane `p`, and the S-box is a circuit of ANDs and XORs over planes: no address and no branch
//! depends on key or text. A plane is a `u64`: segment `s` of 16 bits holds byte `s` of a word (0 the lowest) of
//! sixteen blocks. So a rotation of the words by eight bits is one of the plane by sixteen, and by one bit a renaming of
//! planes. `N` such planes side by side let the compiler use wider registers.
//!
//! The S-box is `A(inverse(A(x)))` over GF(2^8), `A` affine. The inverse is taken in the tower GF(((2^2)^2)^2):
//! w² = w + 1, y² = y + w, z² = z + (w·y + 1); the matrices below are `A` and the change of basis in one. Tests hold
//! the circuit against all 256 entries of the standard's table and the cipher against its examples.

use std::array::from_fn;

use zeroize::Zeroize;

/// Blocks that one plane has room for.
pub(super) const LANES: usize = 16;

const ROUNDS: usize = 32;
/// The system parameter FK.
const FK: [u32; 4] = [0xa3b1_bac6, 0x56aa_3350, 0x677d_9197, 0xb270_22dc];

/// One plane of `16 * N` blocks.
#[derive(Clone, Copy)]
struct Plane<const N: usize>([u64; N]);

/// A word of 32 bits of each block.
type Word<const N: usize> = [Plane<N>; 8];

impl<const N: usize> Plane<N> {
    const ONES: Self = Self([u64::MAX; N]);

    #[inline(always)]
    fn rotate(self, by: u32) -> Self {
        Self(self.0.map(|plane| plane.rotate_left(by)))
    }
}

impl<const N: usize> std::ops::BitXor for Plane<N> {
    type Output = Self;

    #[inline(always)]
    fn bitxor(mut self, other: Self) -> Self {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own ^= other;
        }
        self
    }
}

impl<const N: usize> std::ops::BitAnd for Plane<N> {
    type Output = Self;

    #[inline(always)]
    fn bitand(mut self, other: Self) -> Self {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own &= other;
        }
        self
    }
}

impl<const N: usize> std::ops::Not for Plane<N> {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        self ^ Self::ONES
    }
}

/// The round keys, each as the planes of a word that is the same in every block. Wiped when dropped.
pub(super) struct Sm4([[u64; 8]; ROUNDS]);

impl Drop for Sm4 {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Sm4 {
    /// Expands a key.
    pub(super) fn new(key: &[u8; 16]) -> Self {
        let mut fk = FK.iter();
        let mut words: [Word<1>; 4] = words_of(key).map(|word| spread(word ^ fk.next().unwrap_or(&0)));
        let mut keys = [[0; 8]; ROUNDS];
        for (round, key) in (0u32..).zip(&mut keys) {
            let [first, second, third, fourth] = words;
            let mixed = xor(&xor(&second, &third), &xor(&fourth, &spread(constant(round))));
            let substituted = substitute(&mixed);
            let turned = xor(&rotated(&substituted, 13), &rotated(&substituted, 23));
            let fresh = xor(&first, &xor(&substituted, &turned));
            *key = fresh.map(|Plane([plane])| plane);
            words = [second, third, fourth, fresh];
        }
        Self(keys)
    }

    /// Encrypts one block.
    pub(super) fn encrypt(&self, block: &[u8; 16]) -> [u8; 16] {
        let [first, ..] = unpack(&self.rounds(words_of(block).map(spread::<1>)));
        first
    }

    /// Encrypts the counter blocks of a nonce: sixteen for each plane, from `counter` on.
    pub(super) fn counter_blocks<const N: usize>(
        &self,
        nonce: &[u8; 12],
        counter: u32,
    ) -> [[[u8; 16]; LANES]; N] {
        let mut start = [0; 16];
        for (to, from) in start.iter_mut().zip(nonce) {
            *to = *from;
        }
        let [first, second, third, _] = words_of(&start).map(spread::<N>);
        let mut counters = (0..).map(|at| counter.wrapping_add(at));
        let packed: [[u64; 8]; N] = from_fn(|_| pack(&from_fn(|_| counters.next().unwrap_or_default())));
        let fourth = from_fn(|plane| Plane(packed.map(|planes| at(&planes, plane))));
        let out = self.rounds([first, second, third, fourth]);
        from_fn(|group| unpack(&out.map(|word| word.map(|Plane(planes)| Plane([at(&planes, group)])))))
    }

    /// The 32 rounds, and the words in reverse.
    #[inline(always)]
    fn rounds<const N: usize>(&self, words: [Word<N>; 4]) -> [Word<N>; 4] {
        let [mut first, mut second, mut third, mut fourth] = words;
        for [one, two, three, four] in self.0.as_chunks::<4>().0 {
            mix(&mut first, &second, &third, &fourth, one);
            mix(&mut second, &third, &fourth, &first, two);
            mix(&mut third, &fourth, &first, &second, three);
            mix(&mut fourth, &first, &second, &third, four);
        }
        [fourth, third, second, first]
    }
}

/// One round: the word that changes, the three others and the round's key.
#[inline(always)]
fn mix<const N: usize>(changes: &mut Word<N>, one: &Word<N>, two: &Word<N>, three: &Word<N>, key: &[u64; 8]) {
    let mixed = from_fn(|p| at(one, p) ^ at(two, p) ^ at(three, p) ^ Plane([at(key, p); N]));
    let s = substitute(&mixed);
    // B ^ (B <<< 2) ^ (B <<< 10) ^ (B <<< 18) ^ (B <<< 24): the three in the middle are one word, turned.
    let turned = rotated(&s, 2);
    *changes = from_fn(|p| {
        let (s, t) = (at(&s, p), at(&turned, p));
        at(changes, p) ^ s ^ s.rotate(48) ^ t ^ t.rotate(16) ^ t.rotate(32)
    });
}

/// CK: byte `j` of the word of round `i`, from the highest, is (4i + j) · 7 mod 256.
fn constant(round: u32) -> u32 {
    u32::from_be_bytes(from_fn(|j| {
        let byte = (4 * round + u32::try_from(j).unwrap_or_default()) * 7 % 256;
        u8::try_from(byte).unwrap_or_default()
    }))
}

fn words_of(block: &[u8; 16]) -> [u32; 4] {
    let (words, _) = block.as_chunks::<4>();
    from_fn(|word| words.get(word).map_or(0, |bytes| u32::from_be_bytes(*bytes)))
}

/// The element of a list that is known to be as long.
#[inline(always)]
fn at<T: Copy, const L: usize>(list: &[T; L], index: usize) -> T {
    #[expect(
        clippy::indexing_slicing,
        reason = "INVARIANT: callers count to the length; unrolled, nothing is checked"
    )]
    list[index]
}

#[inline(always)]
fn xor<const N: usize>(one: &Word<N>, other: &Word<N>) -> Word<N> {
    from_fn(|p| at(one, p) ^ at(other, p))
}

/// Each word rotated left by so many bits.
#[inline(always)]
fn rotated<const N: usize>(word: &Word<N>, by: usize) -> Word<N> {
    let (bytes, bits) = (by / 8, by % 8);
    from_fn(|p| {
        let (from, bytes) = if p >= bits { (p - bits, bytes) } else { (p + 8 - bits, bytes + 1) };
        at(word, from).rotate(u32::try_from(16 * bytes).unwrap_or_default())
    })
}

/// The planes of a word that is the same in every block.
fn spread<const N: usize>(word: u32) -> Word<N> {
    from_fn(|plane| {
        let bit = |segment: usize| u64::from(word >> (8 * segment + plane) & 1);
        Plane([(0..4).map(|segment| (bit(segment) * 0xffff) << (16 * segment)).sum(); N])
    })
}

/// Eight bytes as a square of bits, mirrored at its diagonal (Warren, Hacker's Delight, section 7-3).
#[inline(always)]
fn mirrored(mut square: u64) -> u64 {
    for (shift, mask) in
        [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)]
    {
        let swapped = (square ^ (square >> shift)) & mask;
        square ^= swapped ^ (swapped << shift);
    }
    square
}

/// The planes of a word of each of sixteen blocks.
#[inline(always)]
fn pack(words: &[u32; LANES]) -> [u64; 8] {
    let mut planes = [0; 8];
    for segment in 0..4 {
        for half in 0..2 {
            let bytes = from_fn(|lane| at(&at(words, 8 * half + lane).to_le_bytes(), segment));
            let mirrored = mirrored(u64::from_le_bytes(bytes)).to_le_bytes();
            for (plane, byte) in planes.iter_mut().zip(mirrored) {
                *plane |= u64::from(byte) << (16 * segment + 8 * half);
            }
        }
    }
    planes
}

/// Sixteen blocks from the planes of their words.
#[inline(always)]
fn unpack(words: &[Word<1>; 4]) -> [[u8; 16]; LANES] {
    let mut blocks = [[0; 16]; LANES];
    for (word, planes) in words.iter().enumerate() {
        for segment in 0..4 {
            for half in 0..2 {
                let shift = 16 * segment + 8 * half;
                let bytes = planes.map(|Plane([plane])| (plane >> shift).to_le_bytes()).map(|[low, ..]| low);
                let mirrored = mirrored(u64::from_le_bytes(bytes)).to_le_bytes();
                let lanes = blocks.iter_mut().skip(8 * half);
                for (block, byte) in lanes.zip(mirrored) {
                    // The lowest byte of a word comes last (big-endian).
                    if let Some(to) = block.get_mut(4 * word + 3 - segment) {
                        *to = byte;
                    }
                }
            }
        }
    }
    blocks
}

/// An element of GF(2^2): the factor of w, and of 1.
type Pair<P> = [P; 2];
/// An element of GF(2^4): the factor of y, and of 1.
type Nibble<P> = [Pair<P>; 2];

/// The S-box on every byte.
#[inline(always)]
fn substitute<const N: usize>(x: &Word<N>) -> Word<N> {
    let [x0, x1, x2, x3, x4, x5, x6, x7] = *x;
    // A and the way into the tower: 11 XORs, then the constant.
    let (a, b, c) = (x0 ^ x6, x1 ^ x2, x4 ^ x5);
    let d = a ^ b;
    let (e, g) = (x4 ^ d, a ^ c);
    let (f, h, i) = (x3 ^ d, x5 ^ d, x1 ^ c);
    let (j, k) = (c ^ f, x2 ^ x7);
    let high = [[!j, !k], [!x6, e]];
    let low = [[h, !x5], [i, g]];

    // (high·z + low)⁻¹ = (high·z + (high + low)) / (v·high² + high·low + low²)
    let norm = add(add(by_v(squared(high)), times(high, low)), squared(low));
    let inverse = inverted(norm);
    let [[y7, y6], [y5, y4]] = times(high, inverse);
    let [[y3, y2], [y1, y0]] = times(add(high, low), inverse);

    // The way out of the tower and A: 13 XORs, then the constant.
    let (a, b, c) = (y0 ^ y6, y1 ^ y3, y0 ^ y2);
    let (d, e, f) = (y7 ^ b, y4 ^ a, y1 ^ y4);
    let (g, h, i) = (y0 ^ y5, y5 ^ b, y7 ^ a);
    let (j, k, l) = (f ^ g, d ^ e, y2 ^ f);
    let m = y2 ^ k;
    [!c, !e, l, i, !h, d, !j, !m]
}

#[inline(always)]
fn add<const N: usize>(a: Nibble<Plane<N>>, b: Nibble<Plane<N>>) -> Nibble<Plane<N>> {
    let ([a1, a0], [b1, b0]) = (a, b);
    [add_pair(a1, b1), add_pair(a0, b0)]
}

#[inline(always)]
fn add_pair<const N: usize>([a1, a0]: Pair<Plane<N>>, [b1, b0]: Pair<Plane<N>>) -> Pair<Plane<N>> {
    [a1 ^ b1, a0 ^ b0]
}

/// (a1·w + a0)(b1·w + b0), with three multiplications (Karatsuba).
#[inline(always)]
fn times_pair<const N: usize>([a1, a0]: Pair<Plane<N>>, [b1, b0]: Pair<Plane<N>>) -> Pair<Plane<N>> {
    let (high, low, both) = (a1 & b1, a0 & b0, (a1 ^ a0) & (b1 ^ b0));
    [both ^ low, low ^ high]
}

/// (a1·w + a0)² = a1·w + (a1 + a0)
#[inline(always)]
fn squared_pair<const N: usize>([a1, a0]: Pair<Plane<N>>) -> Pair<Plane<N>> {
    [a1, a1 ^ a0]
}

/// w·(a1·w + a0) = (a1 + a0)·w + a1
#[inline(always)]
fn by_w<const N: usize>([a1, a0]: Pair<Plane<N>>) -> Pair<Plane<N>> {
    [a1 ^ a0, a1]
}

#[inline(always)]
fn times<const N: usize>([a1, a0]: Nibble<Plane<N>>, [b1, b0]: Nibble<Plane<N>>) -> Nibble<Plane<N>> {
    let (high, low) = (times_pair(a1, b1), times_pair(a0, b0));
    let both = times_pair(add_pair(a1, a0), add_pair(b1, b0));
    [add_pair(both, low), add_pair(low, by_w(high))]
}

/// (a1·y + a0)² = a1²·y + (w·a1² + a0²)
#[inline(always)]
fn squared<const N: usize>([a1, a0]: Nibble<Plane<N>>) -> Nibble<Plane<N>> {
    let high = squared_pair(a1);
    [high, add_pair(by_w(high), squared_pair(a0))]
}

/// (w·y + 1)(a1·y + a0) = (w·(a1 + a0) + a1)·y + (w²·a1 + a0)
#[inline(always)]
fn by_v<const N: usize>([a1, a0]: Nibble<Plane<N>>) -> Nibble<Plane<N>> {
    [add_pair(by_w(add_pair(a1, a0)), a1), add_pair(by_w(by_w(a1)), a0)]
}

/// The inverse in GF(2^4); 0 of 0. In GF(2^2) the inverse is the square.
#[inline(always)]
fn inverted<const N: usize>([a1, a0]: Nibble<Plane<N>>) -> Nibble<Plane<N>> {
    let norm = add_pair(add_pair(by_w(squared_pair(a1)), times_pair(a1, a0)), squared_pair(a0));
    let inverse = squared_pair(norm);
    [times_pair(a1, inverse), times_pair(add_pair(a1, a0), inverse)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The standard's table, GB/T 32907-2016 table 2.
    const S_BOX: &str = "d690e9fecce13db716b614c228fb2c052b679a762abe04c3aa44132649860699\
                         9c4250f491ef987a33540b43edcfac62e4b31ca9c908e89580df94fa758f3fa6\
                         4707a7fcf37317ba83593c19e6854fa8686b81b27164da8bf8eb0f4b70569d35\
                         1e240e5e6358d1a225227c3b01217887d40046579fd327524c3602e7a0c4c89e\
                         eabf8ad240c738b5a3f7f2cef96115a1e0ae5da49b341a55ad933230f58cb1e3\
                         1df6e22e8266ca60c02923ab0d534e6fd5db3745defd8e2f03ff6a726d6c5b51\
                         8d1baf92bbddbc7f11d95c411f105ad80ac13188a5cd7bbd2d74d012b8e5b4b0\
                         8969974a0c96777e65b9f109c56ec68418f07dec3adc4d2079ee5f3ed7cb3948";
    /// GB/T 32907-2016 appendix A.1: key and plaintext are the same.
    const EXAMPLE: [u8; 16] = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210u128.to_be_bytes();

    #[test]
    fn the_circuit_is_the_table_of_the_standard() {
        let table: Vec<u8> =
            (0..256).map(|at| u8::from_str_radix(&S_BOX[2 * at..2 * at + 2], 16).unwrap()).collect();

        for first in (0..256).step_by(16) {
            let words: [u32; LANES] = from_fn(|lane| u32::try_from(first + lane).unwrap() * 0x0101_0101);
            let out = substitute(&pack(&words).map(|plane| Plane([plane])));
            let zero = [Plane([0]); 8];
            let blocks = unpack(&[out, zero, zero, zero]);
            for (lane, block) in blocks.iter().enumerate() {
                assert_eq!(block[..4], [table[first + lane]; 4], "{}", first + lane);
            }
        }
    }

    #[test]
    fn one_encryption_gives_the_first_example_of_the_standard() {
        let encrypted = Sm4::new(&EXAMPLE).encrypt(&EXAMPLE);

        assert_eq!(u128::from_be_bytes(encrypted), 0x681e_df34_d206_965e_86b3_e94f_536e_4246);
    }

    #[test]
    fn many_blocks_are_the_same_as_one_by_one() {
        let cipher = Sm4::new(&EXAMPLE);
        let nonce = [0xa5; 12];

        // The counter comes round in the middle.
        for (at, block) in cipher.counter_blocks::<4>(&nonce, u32::MAX - 20).iter().flatten().enumerate() {
            let counter = (u32::MAX - 20).wrapping_add(u32::try_from(at).unwrap());
            let mut input = [0xa5; 16];
            input[12..].copy_from_slice(&counter.to_be_bytes());
            assert_eq!(*block, cipher.encrypt(&input), "{at}");
        }
        let narrow = cipher.counter_blocks::<1>(&nonce, 7);
        assert_eq!(narrow[0], cipher.counter_blocks::<4>(&nonce, 7)[0]);
    }

    #[test]
    fn it_agrees_with_another_implementation() {
        use ::sm4::cipher::{BlockCipherEncrypt, KeyInit};

        let mut block = [0x3cu8; 16];
        for round in 0u8..200 {
            let key: [u8; 16] = from_fn(|at| block[at].wrapping_mul(29).wrapping_add(round));
            let mut other = block.into();
            ::sm4::Sm4::new(&key.into()).encrypt_block(&mut other);
            block = Sm4::new(&key).encrypt(&block);
            assert_eq!(block, <[u8; 16]>::from(other), "{round}");
        }
    }
}
