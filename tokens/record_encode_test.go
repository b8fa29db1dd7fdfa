package tokens

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

var update = flag.Bool("update", false, "write the golden records anew")

// FuzzDecodeToken: what is accepted is the one encoding of what it says.
func FuzzDecodeToken(f *testing.F) {
	data, err := fullToken().Encode()
	require.NoError(f, err)
	f.Add(data)
	f.Add([]byte("T\x01"))
	service, err := serviceToken().Encode()
	require.NoError(f, err)
	f.Add(service)
	for at := range data {
		edited := bytes.Clone(data)
		edited[at]++
		f.Add(edited)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		token, err := decode("id", "user-42", bytes.Clone(data))
		if err != nil {
			require.ErrorIs(t, err, core.ErrFormat)
			require.Equal(t, record{}, token)
			return
		}
		again, err := token.Encode()
		require.NoError(t, err)
		require.Equal(t, data, again)
		_ = token.stands(storage.AccountIndex{}, envAt(1))
		_ = token.resourceLimit()
		_ = token.networkLimit()
	})
}

// Row T3: what is stored of a token is refused where it is cut, continued, or of another kind or format. After any other
// damage it has one encoding: what is accepted is written as the same bytes.
func TestDamagedRecord(t *testing.T) {
	token := fullToken()
	data, err := token.Encode()
	require.NoError(t, err)
	const damaged = "gatehouse: stored record cannot be read: "
	accepted := 0
	read := func(data []byte, refused bool, what string) {
		t.Helper()
		got, err := decode(token.ID, token.Account, bytes.Clone(data))
		if err != nil {
			require.ErrorIs(t, err, core.ErrFormat, what)
			require.Equal(t, record{}, got, what)
			require.Less(t, len(err.Error()), 120, "%s: what is stored does not go out", what)
			return
		}
		require.False(t, refused, what)
		again, err := got.Encode()
		require.NoError(t, err)
		require.Equal(t, data, again, what)
		accepted++
	}
	for i := range data {
		read(data[:i], true, fmt.Sprint("cut at ", i))
		read(data[i+1:], true, fmt.Sprint("cut before ", i))
		read(slices.Concat(data, data[:i+1]), true, fmt.Sprint("continued by ", i+1))
		for bit := range 8 {
			flipped := slices.Clone(data)
			flipped[i] ^= 1 << bit
			read(flipped, i < 2, fmt.Sprint("bit ", bit, " of byte ", i))
		}
		for _, wide := range [][]byte{{data[i] | 0x80, 0}, {data[i] | 0x80, 0x80, 0}} { // where it is a number: the same, written longer
			read(slices.Concat(data[:i], wide, data[i+1:]), i < 2, fmt.Sprint("a longer byte ", i))
		}
	}
	for next := range 256 {
		read(append(slices.Clone(data), byte(next)), true, fmt.Sprint("continued by the byte ", next))
	}
	require.Greater(t, accepted, 100, "digests, times and letters of names can be others")

	for begins, want := range map[string]string{
		"{\x01": "not well-formed", "\x00\x01": "not well-formed", "A\x01": "not well-formed", "T\x81\x00": "not well-formed",
		"T\x00": "format 0, known is 1", "T\x02": "format 2, known is 1", "T" + strings.Repeat("\xff", 10): "not well-formed",
		"T\x80\x80\x80\x80\x80\x20": "format 1099511627776, known is 1",
	} {
		_, err := decode(token.ID, token.Account, append([]byte(begins), data[2:]...))
		require.EqualError(t, err, damaged+want, "%q", begins)
	}
	for size, want := range map[int]string{0: "not well-formed", 1 << 20: "not well-formed", 1<<20 + 1: "1048577 bytes"} {
		_, err := decode(token.ID, token.Account, make([]byte, size))
		require.EqualError(t, err, damaged+want)
	}

	account, err := core.Account{ID: token.Account}.Create(core.Env{Fresh: 1}).Encode()
	require.NoError(t, err)
	read(account, true, "an account is no token")
	_, err = core.Decode(token.Account, data)
	require.ErrorIs(t, err, core.ErrFormat, "a token is no account")
}

// leaves calls f once for each field that is not zero and has none inside, with the field as zero, and puts it back.
func leaves(v reflect.Value, path string, f func(path string)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			leaves(v.Field(i), path+"."+v.Type().Field(i).Name, f)
		}
		return
	case reflect.Pointer:
		if v.Elem().Kind() != reflect.Slice { // a restriction: no list is the same as an empty one there
			leaves(v.Elem(), path, f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			leaves(v.Index(i), fmt.Sprint(path, "[", i, "]"), f)
		}
	}
	if v.IsZero() {
		return
	}
	was := reflect.New(v.Type()).Elem()
	was.Set(v)
	v.SetZero()
	f(path)
	v.Set(was)
}

// Each field is there or not by itself: without any one of them, what can be read comes back as it was written.
func TestEachFieldAlone(t *testing.T) {
	read := 0
	token := fullToken()
	leaves(reflect.ValueOf(&token).Elem(), "token", func(path string) {
		data, err := token.Encode()
		if err != nil {
			return // it has a fixed length
		}
		if got, err := decode(token.ID, token.Account, data); err == nil {
			require.Equal(t, token, got, path)
			read++
		} else {
			require.ErrorIs(t, err, core.ErrFormat, path)
		}
	})
	require.Equal(t, fullToken(), token, "this test has put everything back")
	require.Greater(t, read, 12)
}

// bareToken is a token with nothing that can be missing.
func bareToken() record {
	t := fullToken()
	t.Resources, t.Networks, t.Old, t.Generation, t.Revoked, t.NotBefore, t.Warned, t.AMR, t.Ancestry = nil, nil, nil, 0, 0, 0, 0, "", nil
	t.Birth = 0
	t.NeedsFactor, t.RotatesItself = false, false
	return t
}

// serviceToken is a token of a service account.
func serviceToken() record {
	t := bareToken()
	t.How, t.Operator, t.Birth = core.OperatorsWord, "op-1", -3
	return t
}

// A token has one encoding, whatever is put into the place of one byte of it, also where a zero is put behind that: a bit for
// what is not there, and nothing under it.
func TestOtherBytes(t *testing.T) {
	other := func(data []byte) {
		token, err := decode("id", "user-42", data)
		if err != nil {
			return
		}
		if again, err := token.Encode(); err != nil || !bytes.Equal(data, again) {
			require.Failf(t, "two encodings", "%x is written as %x: %v", data, again, err)
		}
	}
	bare, err := bareToken().Encode()
	require.NoError(t, err)
	for i := 2; i < len(bare); i++ {
		for v := range 256 {
			edited := slices.Clone(bare)
			edited[i] = byte(v)
			other(edited)
			other(slices.Insert(slices.Clone(edited), i+1, 0))
		}
	}
	require.Zero(t, bare[len(bare)-1], "the bits for what follows")
	for bit := range 14 {
		for first := range 256 {
			for zeros := range 40 { // a rotated copy has 34 bytes
				data := binary.AppendUvarint(slices.Clone(bare[:len(bare)-1]), 1<<bit)
				other(append(append(data, byte(first)), make([]byte, zeros)...))
			}
		}
	}
}

// Row T3: what is stored stays readable. A difference to the golden bytes says that tokens which are stored already cannot
// be read any more, so it needs a new format.
func TestGoldenRecords(t *testing.T) {
	none := fullToken()
	none.Resources, none.Networks = &[]string{}, &[]string{}
	all := map[string]record{"token": fullToken(), "token-bare": bareToken(), "token-of-nothing": none, "token-of-service": serviceToken()}
	for name, token := range all {
		data, err := token.Encode()
		require.NoError(t, err, name)
		path := filepath.Join("testdata", name+".hex")
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(wrapped(data)), 0o644))
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		golden, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
		require.NoError(t, err)
		require.Equal(t, golden, data, name)
		got, err := decode(token.ID, token.Account, golden)
		require.NoError(t, err, name)
		require.Equal(t, token, got, name)
	}
	files, err := filepath.Glob("testdata/*.hex")
	require.NoError(t, err)
	require.Len(t, files, len(all), "each golden record is one of these")
}

// wrapped returns bytes in hexadecimal, 48 a line.
func wrapped(data []byte) string {
	var text strings.Builder
	for line := range slices.Chunk(data, 48) {
		text.WriteString(hex.EncodeToString(line) + "\n")
	}
	return text.String()
}

// Row K10: a token's ancestry is of whole versions, and of no more than are kept.
func TestAncestryBounds(t *testing.T) {
	for size := range 200 {
		token := fullToken()
		token.Ancestry = make(core.Ancestry, size)
		data, err := token.Encode()
		if size%8 != 0 {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		if _, err = decode(token.ID, token.Account, data); size <= 128 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, core.ErrFormat)
		}
	}
}
