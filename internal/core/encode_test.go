package core_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

// leaves calls f once for each field that is not zero and has none inside, with the field as zero, and puts it back.
func leaves(v reflect.Value, path string, f func(path string)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			leaves(v.Field(i), path+"."+v.Type().Field(i).Name, f)
		}
		return
	case reflect.Pointer:
		if !v.IsNil() && v.Elem().Kind() != reflect.Slice { // a restriction: no list is the same as an empty one there
			leaves(v.Elem(), path, f)
		}
	case reflect.Slice, reflect.Array:
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
	fields := 0
	check := func(path string, encode func() ([]byte, error), decode func([]byte) (any, error), want func() any) {
		data, err := encode()
		if err != nil {
			return // what has a fixed length
		}
		if got, err := decode(data); err == nil {
			require.Equal(t, want(), got, path)
			fields++
		} else {
			require.ErrorIs(t, err, core.ErrFormat, path)
		}
	}
	a := full()
	a.Events = nil
	leaves(reflect.ValueOf(&a).Elem(), "account", func(path string) {
		check(path, func() ([]byte, error) { return a.Encode() }, func(data []byte) (any, error) { return core.Decode(a.ID, data) }, func() any { return a })
	})
	require.Equal(t, full(), a, "this test has put everything back")
	require.Greater(t, fields, 100)
}

// Each record has one encoding, whatever is put into the place of one byte of it, also where a zero is put behind that: a bit
// for what is not there, and nothing under it.
func TestOtherBytes(t *testing.T) {
	other := func(data []byte) {
		if a, err := core.Decode("user-42", data); err == nil {
			if again, err := a.Encode(); err != nil || !bytes.Equal(data, again) {
				require.Failf(t, "two encodings", "%x is written as %x: %v", data, again, err)
			}
		}
	}
	for _, a := range records(t) {
		data, err := a.Encode()
		require.NoError(t, err)
		for i, was := range data[2:] {
			for v := range 256 {
				if len(data) > 200 && v != int(was)|1 {
					continue
				}
				edited := slices.Clone(data)
				edited[2+i] = byte(v)
				other(edited)
				other(slices.Insert(slices.Clone(edited), 2+i+1, 0))
			}
		}
	}
	empty, err := core.Account{ID: "user-42", Epoch: 1}.Encode()
	require.NoError(t, err)
	for bit := range 20 {
		for first := range 256 {
			for zeros := range 6 {
				data := binary.AppendUvarint(slices.Clone(empty[:len(empty)-1]), 1<<bit)
				other(append(append(data, byte(first)), make([]byte, zeros)...))
			}
		}
	}
}

// Each kind of event has one number, which is stored and so never becomes another kind's: the file has all of them. After
// -update its difference must have nothing but lines at the end.
func TestKindsHaveNumbers(t *testing.T) {
	const path = "testdata/kinds.txt"
	var lines []string
	numbered := map[event.Kind]bool{}
	for number, kind := range core.Kinds {
		if kind == "" {
			continue
		}
		require.False(t, numbered[kind], "%s has two numbers", kind)
		numbered[kind] = true
		lines = append(lines, fmt.Sprint(number, " ", kind))
	}
	for _, kind := range event.Kinds() {
		require.True(t, numbered[kind], "%s has no number", kind)
	}
	text := strings.Join(lines, "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), text, "a number that is stored is not changed: a new kind goes to the end, with -update")

	a := core.Account{ID: "user-42", Epoch: 1, Activity: []core.Event{{Kind: core.Kinds[1], Number: 1}}, Noted: 1}
	data, err := a.Encode()
	require.NoError(t, err)
	a.Activity[0].Kind = ""
	_, err = a.Encode()
	require.Error(t, err, "a kind without a number")
	a.Activity[0].Kind = "news"
	_, err = a.Encode()
	require.Error(t, err)
	at := len(data) - 4 // kind, moment, no fields, number
	require.Equal(t, byte(1), data[at])
	for number := range 256 {
		data[at] = byte(number)
		_, err := core.Decode(a.ID, data)
		require.Equal(t, number > 0 && number < len(core.Kinds), err == nil, number)
	}
}

// What is stored of a hash gives the same text back, and it is short if it is what package recovery writes.
func TestHash(t *testing.T) {
	short := core.NewHash(argonHash)
	require.Len(t, short, 54)
	require.Equal(t, argonHash, short.Text())
	for _, text := range append(foreignHashes, "", "h", "not stored", "\x01",
		strings.Replace(argonHash, "m=19456", "m=019456", 1), strings.Replace(argonHash, "m=19456", "m=16777216", 1), strings.Replace(argonHash, "m=19456", "m=+1", 1),
		strings.Replace(argonHash, "t=2", "t=256", 1), strings.Replace(argonHash, "t=2", "p=2", 1), strings.Replace(argonHash, "p=1", "p=1,data=x", 1),
		strings.Replace(argonHash, "v=19", "v=16", 1), argonHash+"=", argonHash+"\n", argonHash+"$", argonHash[:len(argonHash)-1]+"B", argonHash[1:],
		strings.Replace(argonHash, "$c29", "$$c29", 1), strings.Replace(argonHash, ",t=", "$t=", 1), argonHash+argonHash) {
		h := core.NewHash(text)
		require.Equal(t, text, h.Text())
		require.Equal(t, text == "\x01", h.Broken(), "%q", text)
	}
	for _, h := range []core.Hash{core.Hash(argonHash), core.Hash("{plain}" + argonHash), "\x01", short[:53], short + "\x01"} {
		require.True(t, h.Broken(), "%q: NewHash makes another one", h)
	}
}

// FuzzHash: a text comes back, and what can be stored has one text.
func FuzzHash(f *testing.F) {
	for _, text := range append(foreignHashes, argonHash, string(core.NewHash(argonHash)), "\x01"+strings.Repeat("\xff", 60)) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !strings.HasPrefix(text, "\x01") { // no text of package recovery begins so
			h := core.NewHash(text)
			require.Equal(t, text, h.Text())
			require.False(t, h.Broken())
		}
		if h := core.Hash(text); !h.Broken() {
			require.Equal(t, h, core.NewHash(h.Text()))
		}
	})
}
