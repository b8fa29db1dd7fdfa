package attack_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
)

// shut shows that nobody gets in with any of the codes, and that nothing is saved.
func (o *owner) shut(t *testing.T, what string, codes ...string) {
	t.Helper()
	ctx := context.Background()
	o.h.unchanged(func() {
		for _, code := range append(codes, o.code(), o.code(1)) {
			v, err := o.h.StepUp(ctx, o.id, code)
			require.Error(t, err, what)
			require.Equal(t, gatehouse.Verification{}, v, what)
			if ch, err := o.h.Challenge(ctx, o.id); err == nil && ch.Step == gatehouse.StepNeeded {
				v, err = o.h.Answer(ctx, ch.Token.Reveal(), code)
				require.Error(t, err, what)
				require.Equal(t, gatehouse.Verification{}, v, what)
			} else {
				require.Error(t, err, "%s: an account that cannot be read is not one without a second factor", what)
			}
		}
	}, what)
}

// TestRecordThatCannotBeRead has data that is no account's, or a newer version's.
func TestRecordThatCannotBeRead(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("user-42")
	whole := h.record(o.id).Data

	data := map[string][]byte{
		"empty": {}, "text": []byte("null"), "a document": []byte(`{"v":1}`), "not UTF-8": {0xff, 0xfe},
		"NUL": make([]byte, 100), "64 KiB": bytes.Repeat([]byte("A\x01"), 1<<15), "more than 1 MiB": bytes.Repeat([]byte("A"), 1<<20+1),
		"twice": slices.Concat(whole, whole), "something after": append(slices.Clone(whole), 0),
		"a newer format": slices.Concat([]byte("A\x02"), whole[2:]), "an older format": slices.Concat([]byte("A\x00"), whole[2:]),
		"a token": slices.Concat([]byte("T"), whole[1:]), "no format": whole[2:],
		"a field that nobody knows": withBit(whole, 40),
	}
	for cut := range len(whole) {
		if cut%101 == 0 {
			data[fmt.Sprint("cut at ", cut)] = whole[:cut]
		}
	}
	edit := func(what string, f func(a *core.Account)) {
		a := clone(t, h.account(o.id))
		f(&a)
		b, err := a.Encode()
		require.NoError(t, err)
		data[what] = b
	}
	edit("no epoch", func(a *core.Account) { a.Epoch = 0 })
	edit("no digits", func(a *core.Account) { a.Authenticators[0].Digits = 0 })
	edit("one digit", func(a *core.Account) { a.Authenticators[0].Digits = 1 })
	edit("seven digits", func(a *core.Account) { a.Authenticators[0].Digits = 7 })
	edit("an unknown algorithm", func(a *core.Account) { a.Authenticators[0].Algorithm = 3 })
	edit("a negative last step", func(a *core.Account) { a.Authenticators[0].Last = -1 })
	edit("no secret", func(a *core.Account) { a.Authenticators[0].Sealed = nil })
	edit("no ID", func(a *core.Account) { a.Authenticators[0].ID = "" })
	edit("the same authenticator twice", func(a *core.Account) { a.Authenticators = append(a.Authenticators, a.Authenticators[0]) })
	edit("pending is what is active", func(a *core.Account) { a.Pending = &core.Pending{Authenticator: a.Authenticators[0], Expires: 1 << 40} })
	edit("pending in the place of nobody", func(a *core.Account) {
		a.Pending = &core.Pending{Authenticator: a.Authenticators[0], Expires: 1 << 40, Replace: "NOBODY"}
		a.Pending.Authenticator.ID = "OTHER"
	})
	edit("six authenticators", func(a *core.Account) {
		one := a.Authenticators[0]
		a.Authenticators = nil
		for i := range 6 {
			one.ID = fmt.Sprint(i)
			a.Authenticators = append(a.Authenticators, one)
		}
	})
	edit("negative failures", func(a *core.Account) { a.TOTPThrottle.Failures = -1 << 30 })
	edit("one selector twice", func(a *core.Account) { a.Recovery.Slots[1].Selector = a.Recovery.Slots[0].Selector })
	edit("a used code with a hash", func(a *core.Account) { a.Recovery.Slots[0].Used = 1 })
	edit("a hash that is not in its short form", func(a *core.Account) { a.Recovery.Slots[0].Hash = core.Hash(a.Recovery.Slots[0].Hash.Text()) })

	for what, d := range data {
		h.put(o.id, d)
		o.shut(t, what, o.codes[0].Reveal())
		h.unchanged(func() {
			for i, err := range takesProofs(h, o.proof, o) {
				require.Error(t, err, "%s, method %d", what, i)
			}
			st, err := h.Account(ctx, o.id)
			require.Error(t, err, what)
			require.False(t, isAnswer(err), "%s: a fault", what)
			require.Equal(t, gatehouse.Account{}, st)
			require.Less(t, len(err.Error()), 200, "what is stored does not go out")
		})
	}
	h.put(o.id, whole)
	_, err := o.signIn(o.code())
	require.NoError(t, err)
}

// withBit returns the data of an account that says it has one more field, of a number that counts from 0.
func withBit(data []byte, number int) []byte {
	const begins = 2 + 2*8 // behind the format and the epochs
	bits, n := binary.Uvarint(data[begins:])
	return slices.Concat(data[:begins], binary.AppendUvarint(nil, bits|1<<number), data[begins+n:])
}

// TestSecretMoved moves sealed secrets between accounts, authenticators and purposes.
func TestSecretMoved(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	h := newHouse(t)
	o, thief := h.enroll("user-42"), h.enroll("user-43")
	two := o.second()
	_, err := h.Owner(o.stepUp(o.code())).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)
	h.wait(30e9)
	h.vouch("bare")
	whole, theirs := h.account(o.id), h.account(thief.id)
	require.Len(t, whole.Authenticators, 2)
	challenge := o.challenge() // while the record can be read

	for what, edit := range map[string]func(a *core.Account){
		"swapped between two authenticators": func(a *core.Account) {
			a.Authenticators[0].Sealed, a.Authenticators[1].Sealed = a.Authenticators[1].Sealed, a.Authenticators[0].Sealed
		},
		"copied from the first to the second": func(a *core.Account) { a.Authenticators[1].Sealed = a.Authenticators[0].Sealed },
		"copied from the second to the first": func(a *core.Account) { a.Authenticators[0].Sealed = a.Authenticators[1].Sealed },
		"under another ID":                    func(a *core.Account) { a.Authenticators[0].ID = "ANOTHER" },
		"under the ID in another case":        func(a *core.Account) { a.Authenticators[0].ID = strings.ToUpper(o.auth) },
		"IDs swapped": func(a *core.Account) {
			a.Authenticators[0].ID, a.Authenticators[1].ID = a.Authenticators[1].ID, a.Authenticators[0].ID
		},
		"from what is pending":            func(a *core.Account) { a.Authenticators[0].Sealed = a.Pending.Authenticator.Sealed },
		"of another account":              func(a *core.Account) { a.Authenticators[0].Sealed = theirs.Authenticators[0].Sealed },
		"an authenticator of another":     func(a *core.Account) { a.Authenticators = theirs.Authenticators },
		"one more, of another account":    func(a *core.Account) { a.Authenticators = append(a.Authenticators, theirs.Authenticators...) },
		"a challenge in its place":        func(a *core.Account) { a.Authenticators[0].Sealed = sealedText(t, challenge) },
		"a proof in its place":            func(a *core.Account) { a.Authenticators[0].Sealed = sealedText(t, o.proof.Reveal()) },
		"cut":                             func(a *core.Account) { s := &a.Authenticators[0].Sealed; *s = (*s)[:len(*s)-1] },
		"cut to its header":               func(a *core.Account) { s := &a.Authenticators[0].Sealed; *s = (*s)[:2+int((*s)[1])] },
		"one bit flipped":                 func(a *core.Account) { s := &a.Authenticators[0].Sealed; (*s)[len(*s)/2] ^= 1 },
		"another key's name":              func(a *core.Account) { a.Authenticators[0].Sealed[3] ^= 1 },
		"in the clear":                    func(a *core.Account) { a.Authenticators[0].Sealed = []byte(o.key.Secret.Reveal()) },
		"longer than any sealed value":    func(a *core.Account) { a.Authenticators[0].Sealed = bytes.Repeat([]byte{1}, 100<<10) },
		"a base offset out of its bounds": func(a *core.Account) { a.Authenticators[0].Base = 21 },
		"a base offset below its bounds":  func(a *core.Account) { a.Authenticators[0].Base = -21 },
		"steps in another order":          func(a *core.Account) { a.Authenticators[0].Steps = core.Steps{{9, 9}, {7, 7}} },
		"a run of steps that ends before": func(a *core.Account) { a.Authenticators[0].Steps = core.Steps{{9, 7}} },
		"steps that are one run":          func(a *core.Account) { a.Authenticators[0].Steps = core.Steps{{6, 7}, {8, 8}} },
		"steps of no time":                func(a *core.Account) { a.Authenticators[0].Steps = core.Steps{{0, 1}} },
		"steps beyond all times":          func(a *core.Account) { a.Authenticators[0].Steps = core.Steps{{7, 1<<63 - 1}} },
		"thirteen runs of steps": func(a *core.Account) {
			a.Authenticators[0].Steps = nil
			for i := range int64(13) {
				a.Authenticators[0].Steps = append(a.Authenticators[0].Steps, [2]int64{2*i + 1, 2*i + 1})
			}
		},
	} {
		tampered := clone(t, whole)
		edit(&tampered)
		data, err := tampered.Encode()
		require.NoError(t, err)
		h.put(o.id, data) // tamper would have to read what is there
		o.shut(t, what, two.code(), thief.code())
	}
	data, err := whole.Encode()
	require.NoError(t, err)
	h.put(o.id, data)
	_, err = o.signIn(two.code())
	require.NoError(t, err)

	// A whole record put in the place of another account's: its secrets are sealed for the owner.
	h.put("bare", h.record(thief.id).Data)
	h.unchanged(func() {
		_, err := h.StepUp(ctx, "bare", thief.code())
		require.ErrorIs(t, err, keyring.ErrOpen)
	})
}

// clone is an account that shares nothing with a.
func clone(t *testing.T, a core.Account) core.Account {
	t.Helper()
	data, err := a.Encode()
	require.NoError(t, err)
	c, err := core.Decode(a.ID, data)
	require.NoError(t, err)
	return c
}

// sealedText returns what is sealed in a proof or challenge, without the salt before it.
func sealedText(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	require.NoError(t, err)
	return b[len(salt):]
}

// TestSecretTooShort seals what is no secret as a secret, with the right keys for the right place.
func TestSecretTooShort(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o := h.enroll("user-42")
	for _, plain := range []string{
		"", " ", "AAAAAAAAAAAAAAAA", strings.Repeat("A", 24), "AAAAAAAAAAAAAAAAAAAAAAAAA1", "\x00\x00", strings.Repeat("\x00", 20),
		strings.Repeat("A", 1000), "null",
	} {
		sealed, err := h.keys.Seal(ctx, []byte(plain), keyring.Binding{Purpose: "totp", Account: o.id, Item: o.auth})
		require.NoError(t, err)
		h.tamper(o.id, func(a *core.Account) { a.Authenticators[0].Sealed = sealed })
		o.shut(t, plain, "328482", "000000", "812658") // codes of the empty secret are easily computed
	}
}

// TestRecoveryHashTampered has hashes in the place of a code's that would cost much, or be easy to
// meet.
func TestRecoveryHashTampered(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	o, thief := h.enroll("user-42"), h.enroll("user-43")
	good := h.account(o.id).Recovery.Slots[0].Hash.Text()
	for what, hash := range map[string]string{
		"the code itself":    o.codes[0].Reveal(),
		"4 GiB":              strings.Replace(good, "m=8,", "m=4194304,", 1),
		"2^32 passes":        strings.Replace(good, "t=1,", "t=4294967295,", 1),
		"255 lanes":          strings.Replace(good, "p=1$", "p=255$", 1),
		"argon2i":            strings.Replace(good, "argon2id", "argon2i", 1),
		"another version":    strings.Replace(good, "v=19", "v=16", 1),
		"no tag":             good[:strings.LastIndex(good, "$")+1],
		"an empty salt":      "$argon2id$v=19$m=8,t=1,p=1$$" + good[strings.LastIndex(good, "$")+1:],
		"bcrypt":             "$2a$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234",
		"100 KiB":            strings.Repeat("$", 100<<10),
		"a hash and a space": good + " ",
	} {
		h.tamper(o.id, func(a *core.Account) { a.Recovery.Slots[0].Hash = core.NewHash(hash) })
		h.unchanged(func() {
			_, err := h.StepUp(ctx, o.id, o.codes[0].Reveal())
			require.ErrorIs(t, err, recovery.ErrHash, what)
			require.Less(t, len(err.Error()), 200)
		})
	}
	// The hash of another slot is of a code that begins with another symbol.
	h.tamper(o.id, func(a *core.Account) {
		a.Recovery.Slots[0].Hash = core.NewHash(good)
		a.Recovery.Slots[1].Hash = core.NewHash(good)
	})
	_, err := h.StepUp(ctx, o.id, o.codes[1].Reveal())
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	_, err = h.StepUp(ctx, o.id, thief.codes[0].Reveal())
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	_, err = h.StepUp(ctx, o.id, o.codes[0].Reveal())
	require.NoError(t, err)
	_, err = h.StepUp(ctx, o.id, o.codes[0].Reveal())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "though its hash stands a second time")
}
