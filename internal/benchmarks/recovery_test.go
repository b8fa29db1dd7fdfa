package benchmarks_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/gatehouse-go/gatehouse/recovery"
)

// BenchmarkRecovery redeems a recovery code. What Gatehouse is held against is the one Argon2id run
// that nobody can do without, and what is usual elsewhere: a bcrypt hash a code, tried one after
// another, all of them for a code that is wrong.
func BenchmarkRecovery(b *testing.B) {
	codes := recovery.Generate()
	params := recovery.DefaultParams()
	set := map[byte]string{}
	for _, c := range codes {
		hash, err := params.Hash(c)
		require.NoError(b, err)
		set[c.Selector()] = hash
	}

	for _, c := range []struct {
		name string
		code recovery.Code
	}{{"gatehouse/first", codes[0]}, {"gatehouse/last", codes[len(codes)-1]}} {
		typed := c.code.Reveal()
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				code, err := recovery.Parse(typed)
				if err != nil {
					b.Fatal(err)
				}
				if ok, err := recovery.Verify(set[code.Selector()], code); !ok || err != nil {
					b.Fatal("a right code did not match")
				}
			}
		})
	}
	b.Run("argon2id", func(b *testing.B) {
		b.ReportAllocs()
		code, salt := []byte(codes[0].Reveal()), make([]byte, 16)
		for b.Loop() {
			argon2.IDKey(code, salt, params.Time, params.Memory, params.Threads, 32)
		}
	})
	b.Run("bcrypt-of-ten", func(b *testing.B) {
		b.ReportAllocs()
		var hashes [recovery.Count][]byte
		for i, c := range codes {
			hash, err := bcrypt.GenerateFromPassword([]byte(c.Reveal()), bcrypt.DefaultCost)
			require.NoError(b, err)
			hashes[i] = hash
		}
		wrong := []byte(recovery.Generate()[0].Reveal())
		for b.Loop() {
			for _, hash := range hashes {
				if bcrypt.CompareHashAndPassword(hash, wrong) == nil {
					b.Fatal("a wrong code matched")
				}
			}
		}
	})
}
