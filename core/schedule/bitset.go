package schedule

import "math/bits"

// bitset is a set of machine numbers. Sets of different length may be combined:
// what is beyond the end is not in the set.
type bitset []uint64

func (b *bitset) set(i int) {
	for len(*b) <= i/64 {
		*b = append(*b, 0)
	}
	(*b)[i/64] |= 1 << (i % 64)
}

func (b bitset) clear(i int) {
	if i/64 < len(b) {
		b[i/64] &^= 1 << (i % 64)
	}
}

func (b bitset) has(i int) bool { return i/64 < len(b) && b[i/64]&(1<<(i%64)) != 0 }

func (b bitset) count() int {
	n := 0
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}

// firstIn returns the lowest number that is in both sets, or -1.
func (b bitset) firstIn(other bitset) int {
	for i := range min(len(b), len(other)) {
		if word := b[i] & other[i]; word != 0 {
			return i*64 + bits.TrailingZeros64(word)
		}
	}
	return -1
}

// beyond says whether anything is in the set that is not in other.
func (b bitset) beyond(other bitset) bool {
	for i, word := range b {
		if i < len(other) {
			word &^= other[i]
		}
		if word != 0 {
			return true
		}
	}
	return false
}

// intersect keeps what is in other as well.
func (b bitset) intersect(other bitset) {
	for i := range b {
		if i < len(other) {
			b[i] &= other[i]
		} else {
			b[i] = 0
		}
	}
}

// subtract takes out what is in other.
func (b bitset) subtract(other bitset) {
	for i := range min(len(b), len(other)) {
		b[i] &^= other[i]
	}
}

// unite adds what is in other.
func (b *bitset) unite(other bitset) {
	common := min(len(*b), len(other))
	for i, word := range other[:common] {
		(*b)[i] |= word
	}
	*b = append(*b, other[common:]...)
}

// all yields the numbers in rising order. The set may change meanwhile.
func (b bitset) all(yield func(int) bool) {
	for i := range b {
		for word := b[i]; word != 0; word &= word - 1 {
			if !yield(i*64 + bits.TrailingZeros64(word)) {
				return
			}
		}
	}
}

// open makes room for a number: it and those above become one more.
func (b *bitset) open(i int) {
	if i/64 >= len(*b) {
		return
	}
	words := (*b)[i/64:]
	below := words[0] & (1<<(i%64) - 1)
	carry := words[0] >> 63
	words[0] = below | words[0]&^(1<<(i%64)-1)<<1
	for at := 1; at < len(words); at++ {
		words[at], carry = words[at]<<1|carry, words[at]>>63
	}
	if carry > 0 {
		*b = append(*b, carry)
	}
}

// close takes a number out: those above become one less.
func (b bitset) close(i int) {
	if i/64 >= len(b) {
		return
	}
	words := b[i/64:]
	below := words[0] & (1<<(i%64) - 1)
	words[0] = below | words[0]>>1&^(1<<(i%64)-1)
	for at := 1; at < len(words); at++ {
		words[at-1] |= words[at] << 63
		words[at] >>= 1
	}
}
