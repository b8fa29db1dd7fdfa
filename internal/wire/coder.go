package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxSize is the length of the longest record, in bytes. A real account has a few thousand.
const MaxSize = 1 << 20

// ErrMalformed says that bytes are not what a Coder writes, or that a value has no encoding. It tells nothing of either.
var ErrMalformed = errors.New("not well-formed")

// Coder writes one record or reads one. The first thing that cannot be is kept: nothing is read after it, every value
// is zero, and Written and Done return ErrMalformed.
type Coder struct {
	data    []byte // what is read, or what was written so far
	text    string // a copy of what is read, of which texts are parts
	at      int    // how far was read
	reading bool
	failed  bool

	moment int64 // the last one
	shared [maxShared]string
	known  int // in shared
}

// maxShared bounds how many texts are written once: they are searched one after the other.
const maxShared = 24

// NewWriter returns a Coder that writes a record of a kind, such as 'A', in a format. size is how many bytes it makes room
// for at once.
func NewWriter(kind byte, format uint64, size int) Coder {
	c := Coder{data: append(make([]byte, 0, size), kind)}
	c.uint(format)
	return c
}

// NewReader returns a Coder that reads a record of a kind in a format. Another kind is ErrMalformed; another format and
// more than MaxSize bytes are errors that say so. The Coder keeps data, of which the byte slices that it reads are parts:
// data must not be changed any more.
func NewReader(data []byte, kind byte, format uint64) (Coder, error) {
	if len(data) > MaxSize {
		return Coder{}, fmt.Errorf("%d bytes", len(data))
	}
	c := Coder{data: data, reading: true}
	if from, ok := c.take(1); !ok || data[from] != kind {
		return Coder{}, ErrMalformed
	}
	found := c.uint(0)
	if c.failed {
		return Coder{}, ErrMalformed
	}
	if found != format {
		return Coder{}, fmt.Errorf("format %d, known is %d", found, format)
	}
	c.text = string(data)
	return c, nil
}

// Reading reports whether the Coder reads.
func (c *Coder) Reading() bool { return c.reading }

// Written returns what was written. The error is ErrMalformed if something had no encoding, and says how many bytes
// there are if those are more than MaxSize.
func (c *Coder) Written() ([]byte, error) {
	switch {
	case c.failed:
		return nil, ErrMalformed
	case len(c.data) > MaxSize:
		return nil, fmt.Errorf("%d bytes", len(c.data))
	}
	return c.data, nil
}

// Done returns nil if all was read and nothing is left, and otherwise ErrMalformed.
func (c *Coder) Done() error {
	if c.failed || c.at != len(c.data) {
		return ErrMalformed
	}
	return nil
}

// Must fails unless ok.
func (c *Coder) Must(ok bool) {
	if !ok {
		c.failed = true
	}
}

// take returns the place of the next n bytes, and whether they are there.
func (c *Coder) take(n int) (from int, ok bool) {
	if c.failed || n > len(c.data)-c.at {
		c.failed = true
		return 0, false
	}
	from = c.at
	c.at += n
	return from, true
}

// uint codes a number of 0 and up as a varint, of which the shortest form alone is read.
func (c *Coder) uint(n uint64) uint64 {
	if !c.reading {
		if n < 0x80 {
			c.data = append(c.data, byte(n))
		} else {
			c.data = binary.AppendUvarint(c.data, n)
		}
		return n
	}
	if c.failed || c.at == len(c.data) {
		c.failed = true
		return 0
	}
	if first := c.data[c.at]; first < 0x80 {
		c.at++
		return uint64(first)
	}
	n, size := binary.Uvarint(c.data[c.at:])
	if size <= 0 || c.data[c.at+size-1] == 0 {
		c.failed = true
		return 0
	}
	c.at += size
	return n
}

// int codes a number of either sign.
func (c *Coder) int(n int64) int64 {
	u := c.uint(uint64(n)<<1 ^ uint64(n>>63))
	return int64(u>>1) ^ -int64(u&1)
}

// Bits says which fields of a struct follow.
type Bits uint64

// Bits codes which fields follow: set says so where the Coder writes. One that a struct does not have is malformed.
func (c *Coder) Bits(set ...bool) Bits {
	bits := uint64(0)
	if !c.reading {
		for i, on := range set {
			if on {
				bits |= 1 << i
			}
		}
	}
	bits = c.uint(bits)
	if bits>>len(set) != 0 {
		c.failed = true
		return 0
	}
	return Bits(bits)
}

// Next reports whether the next field follows.
func (b *Bits) Next() bool {
	on := *b&1 != 0
	*b >>= 1
	return on
}

// Flag codes a bool, of which the bit is all there is.
func (c *Coder) Flag(b *Bits, on *bool) {
	if set := b.Next(); c.reading {
		*on = set
	}
}

// Count codes how many elements follow, of which there are at most most.
func (c *Coder) Count(n, most int) int {
	u := c.uint(uint64(n))
	if c.reading && u > uint64(most) {
		c.failed = true
		return 0
	}
	return int(u)
}

// Byte codes one byte.
func (c *Coder) Byte(b *byte) {
	if !c.reading {
		c.data = append(c.data, *b)
	} else if from, ok := c.take(1); ok {
		*b = c.data[from]
	}
}

// Word codes a number in eight bytes: a random one, of which a varint would take more.
func (c *Coder) Word(n *int64) {
	if !c.reading {
		c.data = binary.BigEndian.AppendUint64(c.data, uint64(*n))
	} else if from, ok := c.take(8); ok {
		*n = int64(binary.BigEndian.Uint64(c.data[from:]))
	}
}

// Number codes an integer. One that its type does not have is malformed.
func Number[T ~int | ~int64 | ~uint8 | ~uint32](c *Coder, n *T) { number(c, n, true) }

func number[T ~int | ~int64 | ~uint8 | ~uint32](c *Coder, n *T, zero bool) {
	v := c.int(int64(*n))
	if c.reading {
		*n = T(v)
		c.Must(int64(*n) == v && (zero || v != 0))
	}
}

// Optional codes an integer that is there if it is not 0.
func Optional[T ~int | ~int64 | ~uint8 | ~uint32](c *Coder, b *Bits, n *T) {
	if b.Next() {
		number(c, n, false)
	}
}

// After codes a number by how much greater than another one it is. A difference that overflows does so both ways.
func (c *Coder) After(n *int64, than int64) {
	if d := c.int(*n - than); c.reading {
		*n = than + d
	}
}

// Moment codes a moment by how long after the last one in the record it is.
func (c *Coder) Moment(t *int64) { c.codeMoment(t, true) }

func (c *Coder) codeMoment(t *int64, zero bool) {
	c.After(t, c.moment)
	c.moment = *t
	c.Must(zero || *t != 0)
}

// OptionalMoment codes a moment that is there if it is not 0.
func (c *Coder) OptionalMoment(b *Bits, t *int64) {
	if b.Next() {
		c.codeMoment(t, false)
	}
}

// Fixed codes bytes of a length that both sides know.
func (c *Coder) Fixed(b *[]byte, size int) {
	if !c.reading {
		c.Must(len(*b) == size)
		c.data = append(c.data, *b...)
	} else if from, ok := c.take(size); ok {
		*b = c.data[from:c.at:c.at]
	}
}

// FixedText codes a text of a length that both sides know.
func FixedText[T ~string](c *Coder, s *T, size int) {
	if !c.reading {
		c.Must(len(*s) == size)
		c.data = append(c.data, *s...)
	} else if from, ok := c.take(size); ok {
		*s = T(c.text[from:c.at])
	}
}

// Bytes codes bytes of any length, and nil for none.
func (c *Coder) Bytes(b *[]byte) {
	if n := c.length(len(*b)); !c.reading {
		c.data = append(c.data, *b...)
	} else if from, ok := c.take(n); ok && n > 0 {
		*b = c.data[from:c.at:c.at]
	}
}

// Text codes a text of any length. It must be UTF-8.
func Text[T ~string](c *Coder, s *T) {
	Octets(c, s)
	c.Must(utf8.ValidString(string(*s)))
}

// Octets codes any bytes that are kept as a string.
func Octets[T ~string](c *Coder, s *T) {
	if n := c.length(len(*s)); !c.reading {
		c.data = append(c.data, *s...)
	} else if from, ok := c.take(n); ok {
		*s = T(c.text[from:c.at])
	}
}

// length codes how many bytes follow. Those that are not there are malformed.
func (c *Coder) length(n int) int { return c.Count(n, len(c.data)-c.at) }

// Shared codes a text that may stand in the record more than once: after the first time a number stands for it. So
// it is for the first 24 texts that are different. They must be UTF-8.
func (c *Coder) Shared(s *string) { c.codeShared(s, true) }

func (c *Coder) codeShared(s *string, empty bool) {
	if c.reading {
		*s = c.readShared()
		c.Must(empty || *s != "")
		return
	}
	if i := c.place(*s); i >= 0 {
		c.uint(uint64(i)<<1 | 1)
		return
	}
	c.uint(uint64(len(*s)) << 1)
	c.data = append(c.data, *s...)
	c.Must(utf8.ValidString(*s))
	c.keep(*s)
}

func (c *Coder) readShared() string {
	n := c.uint(0)
	if n&1 != 0 {
		if n >>= 1; n < uint64(c.known) {
			return c.shared[n]
		}
		c.failed = true
		return ""
	}
	if n >>= 1; n > uint64(len(c.data)-c.at) {
		c.failed = true
		return ""
	}
	from, ok := c.take(int(n))
	if !ok {
		return ""
	}
	s := c.text[from:c.at]
	c.Must(c.place(s) < 0 && utf8.ValidString(s))
	c.keep(s)
	return s
}

// OptionalShared codes a shared text that is there if it is not empty.
func (c *Coder) OptionalShared(b *Bits, s *string) {
	if b.Next() {
		c.codeShared(s, false)
	}
}

// place returns where a text is among the shared ones, or -1.
func (c *Coder) place(s string) int {
	for i, known := range c.shared[:c.known] {
		if known == s {
			return i
		}
	}
	return -1
}

func (c *Coder) keep(s string) {
	if s != "" && c.known < maxShared {
		c.shared[c.known] = s
		c.known++
	}
}

// Room codes how many elements a list has, of which there are at most most. Where the Coder reads it makes room for them:
// their fields are the caller's to code.
func Room[T any](c *Coder, list *[]T, most int) {
	n := c.Count(len(*list), most)
	if c.reading && n > 0 {
		*list = make([]T, n)
	}
}

// OptionalRoom is Room for a list that is there if it is not empty.
func OptionalRoom[T any](c *Coder, b *Bits, list *[]T, most int) {
	if b.Next() {
		Room(c, list, most)
		c.Must(len(*list) > 0)
	}
}

// Optionally reports whether what a pointer points to is there. Where the Coder reads it makes a zero value: its fields
// are the caller's to code.
func Optionally[T any](c *Coder, b *Bits, p **T) bool {
	there := b.Next()
	if there && c.reading {
		*p = new(T)
	}
	return there
}
