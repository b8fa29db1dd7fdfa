package storage_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
)

func TestCheckID(t *testing.T) {
	for _, id := range []string{
		"a", " ", "\t", "\x01", "\x7f", "user-42", "\ufffd", "\U0010ffff", "a\u0301",
		strings.Repeat("a", storage.MaxID), strings.Repeat("\U0001f363", 63) + "abc",
	} {
		require.NoError(t, storage.CheckID(id), "%+q", id)
	}
	for _, id := range []string{
		"", "\x00", "\x00a", "a\x00", "\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		strings.Repeat("a", storage.MaxID+1), strings.Repeat("\U0001f363", 64), strings.Repeat("a", 1<<20),
	} {
		require.ErrorIs(t, storage.CheckID(id), storage.ErrInvalid, "%.20q", id)
	}
}

func FuzzCheckID(f *testing.F) {
	f.Add("user-42")
	f.Add("a\x00")
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, id string) {
		valid := len(id) >= 1 && len(id) <= 255 && utf8.ValidString(id) && !strings.Contains(id, "\x00")
		require.Equal(t, valid, storage.CheckID(id) == nil)
	})
}
