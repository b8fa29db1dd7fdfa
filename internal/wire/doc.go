// Package wire writes and reads records as compact bytes, strictly: each value has one encoding, and bytes that Coder
// would not write are refused. One description of a record serves both directions, so that they cannot come apart:
//
//	func (p *point) code(c *wire.Coder) {
//		bits := c.Bits(p.Label != "", p.X != 0)
//		if bits.Next() {
//			wire.Text(c, &p.Label)
//		}
//		wire.Optional(c, &bits, &p.X)
//	}
//
// A record is a struct: the bits say which of its fields are not zero, and those follow in their order. Integers are
// varints with the sign in the lowest bit. A count, a length or a bit that cannot be is found before anything is made
// of it, so a short text cannot ask for much memory.
//
// It knows nothing of what is stored. Package core says what an account and a token are made of.
package wire
