package tokens

import (
	"crypto/sha256"
	"fmt"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/wire"
)

const (
	recordType   = 'T'
	recordFormat = 1 // raised as that of an account is

	recordSize = 384 // bytes to make room for
)

// Encode returns what the store keeps. It is an error if decode could not read it.
func (t record) Encode() ([]byte, error) {
	c := wire.NewWriter(recordType, recordFormat, recordSize)
	t.code(&c)
	data, err := c.Written()
	if err != nil {
		return nil, fmt.Errorf("gatehouse: a token cannot be stored: %w", err)
	}
	return data, nil
}

// decode reads a token and keeps data, which must not be changed any more. Like an account, it is refused for what
// this program does not know.
func decode(id, account string, data []byte) (record, error) {
	c, err := wire.NewReader(data, recordType, recordFormat)
	if err != nil {
		return record{}, fmt.Errorf("%w: %w", core.ErrFormat, err)
	}
	t := record{ID: id, Account: account}
	t.code(&c)
	if err := c.Done(); err != nil {
		return record{}, fmt.Errorf("%w: %w", core.ErrFormat, err)
	}
	if what := t.broken(); what != "" {
		return record{}, fmt.Errorf("%w: token's %s", core.ErrFormat, what)
	}
	return t, nil
}

// code says, in both directions, which bytes a token is. The order of bits and fields is what is stored: a new field gets
// a new bit at the end.
func (t *record) code(c *wire.Coder) {
	wire.FixedText(c, &t.Kind, kindSize)
	wire.Text(c, &t.Name)
	wire.Room(c, (*[]Scope)(&t.Scopes), MaxScopes)
	for i := range t.Scopes {
		wire.Text(c, &t.Scopes[i])
	}
	c.Fixed(&t.Digest, sha256.Size)
	wire.Room(c, &t.Lines, maxLines)
	for i := range t.Lines {
		c.Fixed(&t.Lines[i], linePart)
	}
	c.Word(&t.Epoch)
	c.Moment(&t.Created)
	c.Moment(&t.Vouched)
	c.Moment(&t.ProofAt)
	c.Moment(&t.Expires)
	wire.Number(c, &t.Lifetime)
	wire.Number(c, &t.How)
	b := c.Bits(t.AMR != "", t.Resources != nil, t.Networks != nil, t.Generation != 0, len(t.Old) > 0, t.NotBefore != 0, t.Revoked != 0, t.Warned != 0,
		t.NeedsFactor, t.RotatesItself, len(t.Ancestry) > 0, t.Operator != "", t.Birth != 0)
	c.OptionalShared(&b, &t.AMR)
	codeLimit(c, &b, &t.Resources, maxResources)
	codeLimit(c, &b, &t.Networks, maxNetworks)
	wire.Optional(c, &b, &t.Generation)
	wire.OptionalRoom(c, &b, &t.Old, maxOld)
	for i := range t.Old {
		t.Old[i].code(c)
	}
	c.OptionalMoment(&b, &t.NotBefore)
	c.OptionalMoment(&b, &t.Revoked)
	wire.Optional(c, &b, &t.Warned)
	c.Flag(&b, &t.NeedsFactor)
	c.Flag(&b, &t.RotatesItself)
	if b.Next() {
		t.Ancestry.Code(c)
	}
	c.OptionalShared(&b, &t.Operator)
	if b.Next() {
		c.Word(&t.Birth)
		c.Must(t.Birth != 0)
	}
}

func (o *oldDigest) code(c *wire.Coder) {
	c.Fixed(&o.Digest, sha256.Size)
	c.Moment(&o.Until)
	b := c.Bits(o.Told)
	c.Flag(&b, &o.Told)
}

// brokenScopes reports whether scopes are not as NewScopes makes them. A check of a token does not have to make them
// again.
func brokenScopes(scopes Scopes) bool {
	if len(scopes) == 0 { // and the most that there can be are what Room makes room for
		return true
	}
	for i, s := range scopes {
		if s.Check() != nil || i > 0 && scopes[i-1] >= s {
			return true
		}
		for j, other := range scopes {
			if i != j && other.Implies(s) {
				return true
			}
		}
	}
	return false
}

// codeLimit codes a restriction. One to nothing is not the same as none.
func codeLimit(c *wire.Coder, b *wire.Bits, limit **[]string, most int) {
	if !wire.Optionally(c, b, limit) {
		return
	}
	list := *limit
	wire.Room(c, list, most)
	for i := range *list {
		wire.Text(c, &(*list)[i])
	}
	if c.Reading() && *list == nil {
		*list = []string{}
	}
}
