package wire_test

import (
	"bytes"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/wire"
)

// thing has a field of every sort.
type thing struct {
	Word    int64
	Number  int
	Small   uint8
	Byte    byte
	Moments []int64
	Fixed   []byte
	Sign    string
	Bytes   []byte
	Octets  string
	Text    string
	Shared  []string
	Flag    bool
	Some    int64
	When    int64
	Maybe   string
	List    []int64
	Inner   *thing
}

func (x *thing) code(c *wire.Coder) {
	c.Word(&x.Word)
	wire.Number(c, &x.Number)
	wire.Number(c, &x.Small)
	c.Byte(&x.Byte)
	wire.Room(c, &x.Moments, 5)
	for i := range x.Moments {
		c.Moment(&x.Moments[i])
	}
	c.Fixed(&x.Fixed, 4)
	wire.FixedText(c, &x.Sign, 1)
	c.Bytes(&x.Bytes)
	wire.Octets(c, &x.Octets)
	wire.Text(c, &x.Text)
	wire.Room(c, &x.Shared, 60)
	for i := range x.Shared {
		c.Shared(&x.Shared[i])
	}
	b := c.Bits(x.Flag, x.Some != 0, x.When != 0, x.Maybe != "", len(x.List) > 0, x.Inner != nil)
	c.Flag(&b, &x.Flag)
	wire.Optional(c, &b, &x.Some)
	c.OptionalMoment(&b, &x.When)
	c.OptionalShared(&b, &x.Maybe)
	wire.OptionalRoom(c, &b, &x.List, 3)
	for i := range x.List {
		c.After(&x.List[i], x.Word)
	}
	if wire.Optionally(c, &b, &x.Inner) {
		x.Inner.code(c)
	}
}

func write(x thing) ([]byte, error) {
	c := wire.NewWriter('X', 7, 16)
	x.code(&c)
	return c.Written()
}

func read(data []byte) (x thing, err error) {
	c, err := wire.NewReader(data, 'X', 7)
	if err != nil {
		return thing{}, err
	}
	x.code(&c)
	return x, c.Done()
}

func least() thing { return thing{Fixed: make([]byte, 4), Sign: "s"} }

func everything() thing {
	inner := least()
	inner.Shared = []string{"a", "b"}
	return thing{
		Word: math.MinInt64, Number: -300, Small: 255, Byte: 0xff, Moments: []int64{math.MaxInt64, math.MinInt64, 0, -1, 1 << 40}, Fixed: []byte("four"), Sign: "\xff",
		Bytes: []byte{0, 1}, Octets: "\xfe\x00", Text: "é", Shared: []string{"a", "b", "a", "", "a", ""}, Flag: true, Some: math.MinInt64, When: 9, Maybe: "b",
		List: []int64{1, math.MaxInt64, 0}, Inner: &inner,
	}
}

// What is written is read as the same, and what is read is written as the same bytes; no more and no fewer are read.
func TestRoundTrip(t *testing.T) {
	many := least()
	for i := range 60 { // more than are known by number, each twice
		many.Shared = append(many.Shared, strings.Repeat("t", 1+i/2%30))
	}
	for _, x := range []thing{least(), everything(), many} {
		data, err := write(x)
		require.NoError(t, err)
		got, err := read(data)
		require.NoError(t, err)
		require.Equal(t, x, got)
		for i := range data {
			_, err = read(data[:i])
			require.Error(t, err)
		}
		_, err = read(append(bytes.Clone(data), 0))
		require.ErrorIs(t, err, wire.ErrMalformed)

		_, _ = append(got.Fixed, 1, 2, 3), append(got.Bytes, 1, 2, 3)
		again, err := read(data)
		require.NoError(t, err)
		require.Equal(t, x, again, "what is appended to a part does not write into the record")
	}
	short, err := write(least())
	require.NoError(t, err)
	require.Len(t, short, 2+8+2+1+1+4+1+3+1+1, "nothing is written of what is not there but its bit")
}

// A value that has no encoding is none to store: it would not come back.
func TestUnwritable(t *testing.T) {
	for name, edit := range map[string]func(*thing){
		"too few bytes":      func(x *thing) { x.Fixed = x.Fixed[:3] },
		"too many bytes":     func(x *thing) { x.Fixed = append(x.Fixed, 0) },
		"a long sign":        func(x *thing) { x.Sign = "ab" },
		"no sign":            func(x *thing) { x.Sign = "" },
		"text not in UTF-8":  func(x *thing) { x.Text = "\xff" },
		"shared, not UTF-8":  func(x *thing) { x.Shared = []string{"\xff"} },
		"more than a record": func(x *thing) { x.Bytes = make([]byte, wire.MaxSize) },
		"inside another one": func(x *thing) { x.Inner = &thing{} },
	} {
		x := least()
		edit(&x)
		data, err := write(x)
		require.Error(t, err, name)
		require.Nil(t, data, name)
	}
}

// Each value has one encoding: others that would say the same are refused, and so is what says nothing.
func TestOneEncoding(t *testing.T) {
	type part = func(c *wire.Coder)
	var n int64
	var small uint8
	var text string
	var list []int64
	number := func(c *wire.Coder) { wire.Number(c, &n) }
	optional := func(c *wire.Coder) { b := c.Bits(n != 0); wire.Optional(c, &b, &n) }
	moments := func(c *wire.Coder) { c.Moment(&n); b := c.Bits(n != 0); c.OptionalMoment(&b, &n) }
	shared := func(c *wire.Coder) { c.Shared(&text); c.Shared(&text) }
	for name, c := range map[string]struct {
		code part
		good string // one that is read
		bad  []string
	}{
		"number":          {number, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", []string{"", "\x80", "\x80\x00", "\x81\x80\x00", "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x02", strings.Repeat("\xff", 11)}},
		"of a small type": {func(c *wire.Coder) { wire.Number(c, &small) }, "\xfe\x03", []string{"\x80\x04", "\x01"}},
		"optional":        {optional, "\x01\x02", []string{"\x01\x00", "\x02\x02", "\x03\x02", "\x81\x00\x02", "\x01"}},
		"moment":          {moments, "\x02\x01\x02", []string{"\x02\x01\x01"}},
		"text":            {func(c *wire.Coder) { wire.Text(c, &text) }, "\x01a", []string{"\x02a", "\x01\xff", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a"}},
		"shared":          {shared, "\x02a\x01", []string{"\x02a\x02a", "\x02a\x03", "\x01\x01", "\x02\xff\x01", "\x04a", "\x00\x01", "\x02a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}},
		"list": {func(c *wire.Coder) { b := c.Bits(len(list) > 0); wire.OptionalRoom(c, &b, &list, 3) }, "\x01\x03",
			[]string{"\x01\x00", "\x01\x04", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}},
	} {
		read := func(data string) error {
			n, small, text, list = 0, 0, "", nil
			r, err := wire.NewReader([]byte("X\x07"+data), 'X', 7)
			require.NoError(t, err)
			c.code(&r)
			return r.Done()
		}
		require.NoError(t, read(c.good), name)
		for _, bad := range c.bad {
			require.ErrorIs(t, read(bad), wire.ErrMalformed, "%s: %q", name, bad)
		}
	}
}

func TestHeader(t *testing.T) {
	for data, want := range map[string]string{
		"": "not well-formed", "X": "not well-formed", "Y\x07": "not well-formed", "X\x87\x00": "not well-formed", "X\x87": "not well-formed",
		"X\x06": "format 6, known is 7", "X\x08anything": "format 8, known is 7", strings.Repeat("X", wire.MaxSize+1): "1048577 bytes",
	} {
		_, err := wire.NewReader([]byte(data), 'X', 7)
		require.EqualError(t, err, want)
	}
}

// Written at the same time by several goroutines, a value is but read.
func TestWritingChangesNothing(t *testing.T) {
	x := everything()
	want, err := write(x)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { // with the race detector this fails if anything is stored
			if data, err := write(x); err != nil || !bytes.Equal(want, data) {
				t.Error("another encoding", err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, everything(), x)
}

// FuzzCoder: what is read is written as the same bytes, and little memory is asked for whatever they say.
func FuzzCoder(f *testing.F) {
	for _, x := range []thing{least(), everything()} {
		data, err := write(x)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := read(bytes.Clone(data))
		if err != nil {
			return
		}
		again, err := write(x)
		require.NoError(t, err)
		require.Equal(t, data, again)
	})
}
