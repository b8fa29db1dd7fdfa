package tokens

import (
	"html"
	"unicode/utf8"
)

const (
	layers     = 3  // escapes within each other
	maxBetween = 32 // characters between two symbols of a token
	maxColor   = 24 // characters that set a terminal's color
	maxTag     = 64 // characters of an HTML tag
	maxEntity  = 12 // characters between '&' and ';'
)

// reader reads the symbols of what may be a token, from the first byte of b on.
type reader struct {
	b    []byte
	i    int  // what comes next
	over bool // b has ended where more was asked for
	work int  // bytes that were looked at, each time
}

// end is the character after the last.
const end = rune(-1)

// without is the result where what was read is no token.
func (r *reader) without() result {
	if r.over {
		return cut
	}
	return nothing
}

// symbol returns the next character without escapes, and without what programs put between two symbols.
func (r *reader) symbol() rune {
	if r.i < len(r.b) && base64.values[r.b[r.i]] >= 0 { // nearly always
		r.i, r.work = r.i+1, r.work+1
		return rune(r.b[r.i-1])
	}
	wrapped := false
	for range maxBetween {
		c := r.char(layers)
		switch {
		case isBreak(c):
			wrapped = true
		case wrapped && (c == ' ' || c == '\t' || c == '>'): // the line is indented, or quoted in a reply
		case c == '=' && r.upTo(isBreak, 1): // a soft line break of quoted-printable
		case c == 0x1b && r.upTo(isBracket, 1) && r.upTo(isFinal, maxColor):
		case c == '<' && r.upTo(isTagEnd, maxTag):
		case c >= utf8.RuneSelf:
		default:
			return c
		}
	}
	return end
}

func isBreak(c rune) bool   { return c == '\r' || c == '\n' }
func isBracket(c rune) bool { return c == '[' }
func isFinal(c rune) bool   { return c >= 0x40 && c < 0x7f } // of a control sequence (ECMA-48 §5.4)
func isTagEnd(c rune) bool  { return c == '>' }

// upTo reads at most some characters up to the one that is, or none.
func (r *reader) upTo(is func(rune) bool, most int) bool {
	from := r.i
	for range most {
		if c := r.char(layers); c == end {
			break
		} else if is(c) {
			return true
		}
	}
	r.i = from
	return false
}

// byte returns the next byte, or end. Text in UTF-16 or UTF-32 has zero bytes before it.
func (r *reader) byte() rune {
	for range 4 {
		if r.i == len(r.b) {
			r.over = true
			return end
		}
		c := r.b[r.i]
		r.i, r.work = r.i+1, r.work+1
		if c != 0 || r.i == 1 {
			return rune(c)
		}
	}
	return 0
}

// char returns the next character, or end, without at most so many layers of escapes.
func (r *reader) char(depth int) rune {
	c := r.byte()
	for inner := range depth {
		if c != '\\' && c != '%' && c != '=' && c != '&' {
			break
		}
		from := r.i
		if plain := r.escaped(c, inner); plain != end {
			c = plain
		} else {
			r.i = from
		}
	}
	return c
}

// escaped returns the character that is escaped behind a sign, or end.
func (r *reader) escaped(sign rune, depth int) rune {
	switch sign {
	case '%', '=':
		return r.hex(2, depth)
	case '&':
		return r.entity(depth)
	}
	switch c := r.char(depth); c {
	case 'u':
		return r.hex(4, depth)
	case 'x':
		return r.hex(2, depth)
	case 'n', 'r':
		return '\n'
	case 't':
		return '\t'
	default:
		if c == end || c < utf8.RuneSelf && noSymbol[c] == 0 {
			return end
		}
		return c // itself, as in \/ and \_
	}
}

// hex returns the character whose number is the next n digits, or end.
func (r *reader) hex(n, depth int) (number rune) {
	for range n {
		c := r.char(depth)
		digit := hexadecimal.value(c)
		if digit < 0 {
			return end
		}
		number = number<<4 | rune(digit)
	}
	return number
}

// entity returns the character that HTML names by what comes next, up to ';', or end.
func (r *reader) entity(depth int) rune {
	name := [1 + maxEntity]byte{'&'}
	for i := 1; i < len(name); i++ {
		c := r.char(depth)
		if c < 0 || c >= utf8.RuneSelf || noSymbol[c] != 0 && c != '#' && c != ';' {
			return end
		}
		if name[i] = byte(c); c == ';' {
			plain := html.UnescapeString(string(name[:i+1]))
			if c, size := utf8.DecodeRuneInString(plain); size == len(plain) {
				return c
			}
			return end
		}
	}
	return end
}

// encoding packs bytes into groups of symbols.
type encoding struct {
	bits   int       // of a symbol
	group  int       // bytes of a group
	values [256]int8 // of the symbols; -1 for what is none
}

var (
	hexadecimal = newEncoding(4, 1, "0123456789abcdef", "0123456789ABCDEF")
	base64      = newEncoding(6, 3, // RFC 4648 §4 and §5
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
	encodings = []*encoding{base64, hexadecimal}
)

func (e *encoding) value(c rune) int {
	if c < 0 || c >= utf8.RuneSelf {
		return -1
	}
	return int(e.values[c])
}

func newEncoding(bits, group int, alphabets ...string) *encoding {
	e := &encoding{bits: bits, group: group}
	for c := range e.values {
		e.values[c] = -1
	}
	for _, alphabet := range alphabets {
		for value, c := range alphabet {
			e.values[c] = int8(value)
		}
	}
	return e
}
