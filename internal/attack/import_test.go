package attack_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/totp"
)

func bcryptOf(t testing.TB, code string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(code), bcrypt.MinCost)
	require.NoError(t, err)
	return string(hash)
}

func argon2Of(code string) string {
	b64 := base64.RawStdEncoding
	salt := []byte("another salt")
	return "$argon2id$v=19$m=64,t=1,p=2$" + b64.EncodeToString(salt) + "$" + b64.EncodeToString(argon2.IDKey([]byte(code), salt, 1, 64, 2, 24))
}

func sha256Of(code string) string {
	sum := sha256.Sum256([]byte(code))
	return hex.EncodeToString(sum[:])
}

func importing(auths ...gatehouse.ImportAuthenticator) gatehouse.Import {
	return gatehouse.Import{Authenticators: auths}
}

func hashed(hashes ...string) (codes []recovery.Foreign) {
	for _, hash := range hashes {
		codes = append(codes, recovery.ForeignHash(hash, 0))
	}
	return codes
}

func inPlain(texts ...string) (codes []recovery.Foreign) {
	for _, text := range texts {
		codes = append(codes, recovery.ForeignCode(text))
	}
	return codes
}

func outcomes(list ...gatehouse.ImportOutcome) []gatehouse.ImportOutcome { return list }

// bring imports and returns the result.
func (h *house) bring(id string, in gatehouse.Import) gatehouse.ImportResult {
	h.t.Helper()
	return must(h.Operator("migration").Import(context.Background(), id, in))
}

// refuse imports, and shows that it is refused and that nothing is changed.
func (h *house) refuse(id string, in gatehouse.Import, want error, what string) {
	h.t.Helper()
	h.unchanged(func() {
		r, err := h.Operator("migration").Import(context.Background(), id, in)
		require.ErrorIs(h.t, err, want, what)
		require.Zero(h.t, r, what)
	}, what)
}

func TestImport(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	key := totp.Key{Secret: totp.GenerateSecret(), Algorithm: totp.SHA256, Digits: 8}
	// authboss has codes of this form; the last one could be read as one of ours.
	codes := []string{"f7a2k-9xq0m", "b1c2d-e3f4g", "7k9x2-m4q8w", "ABCDEFGHJKMNPQRS"}
	in := importing(gatehouse.ImportAuthenticator{
		Secret: key.Secret, Algorithm: key.Algorithm, Digits: 8, LastStep: totp.Step(h.clock()), Name: "Old phone",
	})
	in.RecoveryCodes = hashed(bcryptOf(t, codes[0]), argon2Of(codes[1]), bcryptOf(t, codes[2]), argon2Of(codes[3]))
	r := h.bring("u", in)
	require.Equal(t, gatehouse.ImportResult{
		Authenticators: outcomes(importBrought),
		RecoveryCodes:  slices.Repeat(outcomes(importBrought), 4),
	}, r)
	h.unchanged(func() {
		again := h.bring("u", in)
		require.Equal(t, outcomes(importThere), again.Authenticators)
		require.Equal(t, slices.Repeat(outcomes(importHasCodes), 4), again.RecoveryCodes)
	}, "the same import twice")
	o := &owner{h: h, id: "u", key: key}
	st, err := h.Account(ctx, "u")
	require.NoError(t, err)
	require.True(t, st.Protected)
	require.False(t, st.Authenticators[0].Weak)
	require.True(t, st.RecoveryCodes.Imported)
	require.Equal(t, 4, st.RecoveryCodes.Left)

	_, err = o.signIn(o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "used up in the old system")
	h.wait(totp.Period)
	_, err = o.signIn(o.code())
	require.NoError(t, err)

	for i, code := range codes {
		for _, wrong := range []string{strings.ToUpper(code) + "x", code[1:], " " + code, strings.Repeat("a", 73), strings.Repeat("a", 1<<20)} {
			_, err = o.signIn(wrong)
			require.ErrorIs(t, err, gatehouse.ErrDenied)
		}
		h.wait(totp.Period)
		v, err := o.signIn(code)
		require.NoError(t, err, code)
		require.Equal(t, 3-i, v.CodesLeft)
		_, err = o.signIn(code)
		require.ErrorIs(t, err, gatehouse.ErrDenied, "burned")
	}
	h.unchanged(func() { h.bring("u", in) }, "a used code does not come back")

	// New codes take the place of the imported ones, and are ours.
	fresh, err := h.Owner(o.stepUp(o.code())).RegenerateRecoveryCodes(ctx)
	require.NoError(t, err)
	v, err := o.signIn(fresh.Codes[0].Reveal())
	require.NoError(t, err)
	require.Equal(t, 9, v.CodesLeft)
}

func TestImportRace(t *testing.T) {
	ctx := context.Background()
	for _, code := range []string{"three", "30303030"} {
		h := newHouse(t)
		in := importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret()})
		in.RecoveryCodes = append(hashed(bcryptOf(t, "one"), bcryptOf(t, "two"), argon2Of("three")), inPlain("10101010", "30303030")...)
		h.bring("u", in)
		other, err := gatehouse.New(h.store, gatehouse.Config{Issuer: "Acme", Keys: h.keys, Recovery: cheap, Now: h.clock})
		require.NoError(t, err)
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 40 {
			svc := []*gatehouse.Service{h.Service, other}[i%2]
			wg.Go(func() {
				if _, err := svc.StepUp(ctx, gatehouse.Session{Account: "u"}, code); err == nil {
					mu.Lock()
					won++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, won)
	}
}

func TestImportDefaults(t *testing.T) {
	h := newHouse(t)
	o := &owner{h: h, id: "u", key: totp.Key{Secret: totp.GenerateSecret()}}
	h.bring("u", importing(gatehouse.ImportAuthenticator{Secret: o.key.Secret}))
	for _, step := range []int64{-1, 0, 1} {
		_, err := o.signIn(o.code(step))
		require.ErrorIs(t, err, gatehouse.ErrDenied, "whatever may have been used is used up")
	}
	h.wait(2 * totp.Period)
	v, err := o.signIn(o.code())
	require.NoError(t, err)
	require.Zero(t, v.CodesLeft)
}

func TestImportBadInput(t *testing.T) {
	h := newHouse(t)
	good := totp.GenerateSecret()
	for name, in := range map[string]gatehouse.Import{
		"nothing":                   {},
		"codes alone":               {RecoveryCodes: inPlain("f7a2k-9xq0m")},
		"no secret":                 importing(gatehouse.ImportAuthenticator{}),
		"name":                      importing(gatehouse.ImportAuthenticator{Secret: good, Name: "a\nb"}),
		"a life without Close":      {Authenticators: []gatehouse.ImportAuthenticator{{Secret: good}}, CodeLife: time.Hour},
		"a life under an hour":      {Close: true, CodeLife: time.Hour - 1},
		"a life of over 90 days":    {Close: true, CodeLife: 90*24*time.Hour + 1},
		"a life that is negative":   {Close: true, CodeLife: -time.Hour},
		"a period alone":            importing(gatehouse.ImportAuthenticator{Secret: good, Period: time.Minute}),
		"an algorithm":              importing(gatehouse.ImportAuthenticator{Secret: good, Algorithm: 9}),
		"seven digits":              importing(gatehouse.ImportAuthenticator{Secret: good, Digits: 7}),
		"one good, a name that not": importing(gatehouse.ImportAuthenticator{Secret: good}, gatehouse.ImportAuthenticator{Secret: good, Name: " "}),
	} {
		h.refuse("u", in, gatehouse.ErrInvalid, name)
	}
	page, err := h.store.Accounts(context.Background(), "", 1)
	require.NoError(t, err)
	require.Empty(t, page.Records)
}

// Row K13: the last step in seconds or milliseconds would leave an app whose codes never work.
func TestImportLastStep(t *testing.T) {
	h := newHouse(t)
	now := totp.Step(h.clock())
	for what, last := range map[string]int64{
		"seconds": h.clock().Unix(), "milliseconds": h.clock().UnixMilli(), "nanoseconds": h.clock().UnixNano(), "negative": -1,
		"a step beyond window and clocks": now + 3, "the greatest there is": 1<<63 - 1, "the least": -1 << 63,
	} {
		h.refuse("u", importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret(), LastStep: last}), gatehouse.ErrInvalid, what)
	}
	// What a window of one step ahead, and a clock that is 30 seconds ahead, can have accepted.
	o := &owner{h: h, id: "u", key: totp.Key{Secret: totp.GenerateSecret()}}
	h.bring("u", importing(gatehouse.ImportAuthenticator{Secret: o.key.Secret, LastStep: now + 2}))
	h.wait(3 * totp.Period)
	_, err := o.signIn(o.code())
	require.NoError(t, err)
}

// Row F3: secrets of 80 bits and more, as other systems write them, work here; the short ones are weak until they are
// paired again.
func TestImportWeak(t *testing.T) {
	ctx := context.Background()
	for text, weak := range map[string]bool{
		"JBSWY3DPEHPK3PXP": true, "jbsw-y3dp-ehpk-3pxp\n": true, "JBSWY3DPEHPK3PXPJBSWY3DP": true, "ABCDEFGHIJKLMNOPQRSTUVWXY3": false, rand.Text(): false,
	} {
		h, _ := judgedHouse(t)
		secret, _, err := totp.ParseImported(text)
		require.NoError(t, err, text)
		o := &owner{h: h, id: "u", key: totp.Key{Secret: secret, Weak: weak}}
		in := importing(gatehouse.ImportAuthenticator{Secret: secret, LastStep: totp.Step(h.clock()) - 1})
		want := importBrought
		if weak {
			want = importWeak
		}
		require.Equal(t, outcomes(want), h.bring("u", in).Authenticators, text)
		_, err = o.signIn(o.code())
		require.NoError(t, err, text)
		require.Equal(t, weak, must(h.Account(ctx, "u")).Authenticators[0].Weak)
		finding, _ := must(h.Review(ctx, "u")).Find(posture.AuthenticatorsStrong)
		if !weak {
			require.Equal(t, posture.Pass, finding.State)
			continue
		}
		require.Equal(t, posture.Fail, finding.State)
		require.Contains(t, finding.Fix.Text, "Pair the app again")

		// The keys are rotated, and a backup restored; it stays what it is.
		require.Equal(t, 1, must(h.Operator("op").AfterRestore(ctx, gatehouse.Restoration{}, "", nil)).Seen)
		h.wait(3 * totp.Period)
		c := o.copy(t)
		c.h.Service, _ = h.rotated(c.h.store)
		require.Equal(t, 1, must(c.h.Operator("op").Reseal(ctx, "", nil)).Done)
		_, err = c.signIn(c.code())
		require.NoError(t, err)

		// It is paired again, in the place of the weak one.
		face := h.Owner(o.stepUp(o.code()))
		enr := must(face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada", Replace: must(h.Account(ctx, "u")).Authenticators[0].ID}))
		require.False(t, enr.Secret.Weak())
		o.key = keyOf(enr, 6)
		_ = must(face.ConfirmEnrollment(ctx, enr.ID, o.code()))
		require.False(t, must(h.Account(ctx, "u")).Authenticators[0].Weak)
		finding, _ = must(h.Review(ctx, "u")).Find(posture.AuthenticatorsStrong)
		require.Equal(t, posture.Pass, finding.State)
		h.refuse("u", in, gatehouse.ErrPrecondition, "and does not come back")
	}
}

// Row F3: an account of which nothing can be brought is closed, and not left to the password alone.
func TestImportCloses(t *testing.T) {
	ctx := context.Background()
	short := importing(gatehouse.ImportAuthenticator{}) // what ParseImported makes of 72 bits
	short.RecoveryCodes = inPlain("f7a2k-9xq0m")        // which open nothing without an authenticator
	h := newHouse(t)
	h.refuse("u", short, gatehouse.ErrInvalid, "in silence it is not left open")
	short.Close, short.CodeLife = true, 14*24*time.Hour
	r := h.bring("u", short)
	require.Equal(t, outcomes(importBadSecret), r.Authenticators)
	require.Equal(t, outcomes(importNoAuthenticator), r.RecoveryCodes)
	require.True(t, r.Closed)
	require.Equal(t, h.clock().Add(14*24*time.Hour), r.CodeExpires)

	st := must(h.Account(ctx, "u"))
	require.True(t, st.Protected)
	require.Equal(t, &gatehouse.Reset{Imported: true, At: h.clock(), CodeExpires: r.CodeExpires}, st.Reset)
	require.Zero(t, st.RecoveryCodes)
	o := &owner{h: h, id: "u", key: totp.Key{Secret: totp.GenerateSecret()}}
	for _, code := range []string{r.Code.Reveal(), "f7a2k-9xq0m", "123456", o.code()} {
		_, err := o.signIn(code)
		require.ErrorIs(t, err, gatehouse.ErrDenied, "the second step has no answer but at the operator's door")
	}
	require.ErrorIs(t, begun(h.Owner(h.vouch("u")), gatehouse.EnrollmentRequest{Label: "ada"}), gatehouse.ErrStepUpRequired, "nor does the password pair")

	// The same again is the same, and makes no other code.
	h.unchanged(func() {
		again := h.bring("u", short)
		require.True(t, again.Closed)
		require.True(t, again.Code.IsZero())
		require.Zero(t, again.CodeExpires)
	}, "again")

	h.wait(14*24*time.Hour - time.Second)
	proof := must(h.RedeemOperatorCode(ctx, o.challenge(), r.Code.Reveal()))
	face := h.Owner(proof)
	enr, err := face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"})
	require.NoError(t, err)
	require.Len(t, enr.RecoveryCodes, 10)
	o.key = keyOf(enr, 6)
	_ = must(face.ConfirmEnrollment(ctx, enr.ID, o.code()))
	h.wait(totp.Period)
	_, err = o.signIn(o.code())
	require.NoError(t, err)
	require.Nil(t, must(h.Account(ctx, "u")).Reset)

	// It ends to the second, and Reset makes another code.
	r = h.bring("late", gatehouse.Import{Close: true})
	require.Equal(t, h.clock().Add(24*time.Hour), r.CodeExpires, "the default")
	late := &owner{h: h, id: "late"}
	h.wait(24 * time.Hour)
	_, err = h.RedeemOperatorCode(ctx, late.challenge(), r.Code.Reveal())
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	code := must(h.Operator("support").Reset(ctx, "late"))
	require.False(t, must(h.Account(ctx, "late")).Reset.Imported)
	_ = must(h.RedeemOperatorCode(ctx, late.challenge(), code.Reveal()))
}

// An account that Import has closed is opened by an authenticator that can be brought after all; one that an operator
// has reset is not.
func TestImportOpensWhatItClosed(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	r := h.bring("u", gatehouse.Import{Close: true})
	o := &owner{h: h, id: "u", key: totp.Key{Secret: totp.GenerateSecret()}}
	in := importing(gatehouse.ImportAuthenticator{Secret: o.key.Secret, LastStep: totp.Step(h.clock()) - 1})
	in.RecoveryCodes = inPlain("f7a2k-9xq0m")
	challenge := o.challenge()
	opened := h.bring("u", in)
	require.False(t, opened.Closed)
	require.Equal(t, outcomes(importBrought), opened.RecoveryCodes)
	_, err := h.Answer(ctx, challenge, o.code())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "a challenge of before has ended")
	_, err = h.RedeemOperatorCode(ctx, o.challenge(), r.Code.Reveal())
	require.ErrorIs(t, err, gatehouse.ErrDenied, "and so has the code")
	_, err = o.signIn(o.code())
	require.NoError(t, err)

	_ = must(h.Operator("support").Reset(ctx, "u"))
	h.refuse("u", in, gatehouse.ErrPrecondition, "factors that support has removed")
	nothing := importing(gatehouse.ImportAuthenticator{})
	nothing.Close = true
	h.unchanged(func() { require.True(t, h.bring("u", nothing).Closed) }, "there is nothing to add")
}

// Row F4: a file of libpam's, as google-authenticator writes it: five scratch codes of eight digits.
const libpamFile = "ABCDEFGHIJKLMNOPQRSTUVWXY3\n\" RATE_LIMIT 3 30\n\" WINDOW_SIZE 17\n\" DISALLOW_REUSE\n\" TOTP_AUTH\n" +
	"41830251\n93507716\n20964837\n58112409\n76340098\n"

// readLibpam is what a host does with such a file.
func readLibpam(t testing.TB, file string, code func(string) recovery.Foreign) (gatehouse.Import, []string) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(file))
	require.True(t, lines.Scan())
	secret, _, err := totp.ParseImported(lines.Text())
	require.NoError(t, err)
	in := importing(gatehouse.ImportAuthenticator{Secret: secret})
	var scratch []string
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "\"") {
			scratch = append(scratch, lines.Text())
			in.RecoveryCodes = append(in.RecoveryCodes, code(lines.Text()))
		}
	}
	require.Len(t, scratch, 5)
	return in, scratch
}

func TestImportLibpam(t *testing.T) {
	ctx := context.Background()
	for name, code := range map[string]func(string) recovery.Foreign{
		"in plain": recovery.ForeignCode,
		"bcrypt":   func(s string) recovery.Foreign { return recovery.ForeignHash(bcryptOf(t, s), 8) },
		"SHA-256":  func(s string) recovery.Foreign { return recovery.ForeignHash(sha256Of(s), 8) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			in, scratch := readLibpam(t, libpamFile, code)
			require.Equal(t, slices.Repeat(outcomes(importBrought), 5), h.bring("u", in).RecoveryCodes)
			for _, s := range scratch {
				require.NotContains(t, string(h.record("u").Data), s)
				require.NotContains(t, string(h.record("u").Data), sha256Of(s), "nothing faster than Argon2id or bcrypt")
			}
			o := &owner{h: h, id: "u", key: totp.Key{Secret: in.Authenticators[0].Secret}}
			h.wait(2 * totp.Period)
			_, err := o.signIn(o.code())
			require.NoError(t, err)

			// One failure is free less than without them, and so the fifth locks.
			for range 4 {
				_, err = o.signIn("00000000")
				require.ErrorIs(t, err, gatehouse.ErrDenied)
			}
			v, err := o.signIn(scratch[3])
			require.NoError(t, err)
			require.Equal(t, []any{event.MethodRecoveryCode, 4, ""}, []any{v.Method, v.CodesLeft, v.AuthenticatorID})
			require.ErrorIs(t, begun(h.Owner(v.Session.Proof), gatehouse.EnrollmentRequest{Label: "ada"}), gatehouse.ErrStepUpRequired, "it is a recovery code's proof")
			a := h.account("u")
			require.Equal(t, 4, a.TOTPThrottle.Failures, "it resets no count of TOTP")
			require.Zero(t, a.RecoveryThrottle, "and is counted in no other")

			_, err = o.signIn(scratch[3])
			require.ErrorIs(t, err, gatehouse.ErrDenied, "burned")
			st := must(h.Account(ctx, "u"))
			require.Equal(t, gatehouse.MethodState{RetryAt: h.clock().Add(30 * time.Second)}, st.TOTP)
			require.Equal(t, st.TOTP, st.RecoveryCode, "they are locked with TOTP")
			h.unchanged(func() {
				_, err = o.signIn(scratch[0])
				require.ErrorIs(t, err, gatehouse.ErrDenied, "while TOTP is locked nothing is looked at")
			}, "locked")
			h.wait(30 * time.Second)
			v, err = o.signIn(scratch[0])
			require.NoError(t, err)
			require.Equal(t, 3, v.CodesLeft)

			// Texts that are no TOTP codes are none of them, and are no guesses.
			for _, text := range []string{scratch[1] + "x", scratch[1][:4] + "-" + scratch[1][4:], "f7a2k-9xq0m"} {
				h.unchanged(func() {
					_, err = o.signIn(text)
					require.ErrorIs(t, err, gatehouse.ErrDenied)
				}, text)
			}
			h.wait(totp.Period)
			_, err = o.signIn(o.code())
			require.NoError(t, err)
			require.Zero(t, h.account("u").TOTPThrottle.Failures)

			// An authenticator of eight digits would make texts of eight digits two things. New codes come first.
			h.wait(totp.Period)
			proof := o.stepUp(o.code())
			require.ErrorIs(t, begun(h.Owner(proof), gatehouse.EnrollmentRequest{Label: "ada", Digits: 8}), gatehouse.ErrPrecondition)
			fresh := must(h.Owner(proof).RegenerateRecoveryCodes(ctx))
			_, err = o.signIn(scratch[1])
			require.ErrorIs(t, err, gatehouse.ErrDenied)
			face := h.Owner(fresh.Proof)
			enr := must(face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada", Digits: 8}))
			o.key = keyOf(enr, 8)
			_ = must(face.ConfirmEnrollment(ctx, enr.ID, o.code()))
			h.wait(totp.Period)
			v, err = o.signIn(o.code())
			require.NoError(t, err)
			require.Equal(t, event.MethodTOTP, v.Method)
		})
	}
}

// Row F4: django-otp keeps static tokens in plain, eight symbols of base32 in lower case.
func TestImportDjango(t *testing.T) {
	h := newHouse(t)
	tokens := []string{"abzq5mwk", "k2dd7hva", "q5n3rt6s"}
	in := importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret()})
	in.RecoveryCodes = inPlain(tokens...)
	require.Equal(t, slices.Repeat(outcomes(importBrought), 3), h.bring("u", in).RecoveryCodes)
	require.NotContains(t, string(h.record("u").Data), "abzq5mwk")
	o := &owner{h: h, id: "u", key: totp.Key{Secret: in.Authenticators[0].Secret}}
	_, err := o.signIn("abzq5mwx")
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	require.NotZero(t, h.account("u").RecoveryThrottle)
	require.Zero(t, h.account("u").TOTPThrottle.Failures)
	for i, typed := range []string{"abzq5mwk", "K2DD-7HVA", "q5n3 rt6s"} {
		v, err := o.signIn(typed)
		require.NoError(t, err)
		require.Equal(t, 2-i, v.CodesLeft)
		_, err = o.signIn(tokens[i])
		require.ErrorIs(t, err, gatehouse.ErrDenied, "burned, however it is typed")
	}
}

// Row F4: what cannot be brought is named, and the rest is imported.
func TestImportLeavesOut(t *testing.T) {
	const (
		ok, dup, many, guess, eight = importBrought, importDuplicate, importTooMany, importGuessable, importEightDigits
		badHash, badCode            = importBadHash, importBadCode
	)
	hash := bcryptOf(t, "f7a2k-9xq0m")
	var seventeen []string
	for i := range 17 {
		seventeen = append(seventeen, fmt.Sprintf("f7a2k-9xq%02d", i))
	}
	for name, c := range map[string]struct {
		digits int
		codes  []recovery.Foreign
		want   []gatehouse.ImportOutcome
	}{
		"six digits as bcrypt": {6, []recovery.Foreign{recovery.ForeignHash(hash, 6), recovery.ForeignHash(hash, 0)}, outcomes(guess, ok)},
		"six digits in plain":  {6, inPlain("123456", "654321"), outcomes(guess, guess)},
		"a duplicate":          {6, append(hashed(hash, hash), inPlain("k3j9w0qx", "K3J9-W0QX")...), outcomes(ok, dup, ok, dup)},
		"one hash twice":       {6, hashed(sha256Of("k3j9w0qx"), strings.ToUpper(sha256Of("k3j9w0qx"))), outcomes(ok, dup)},
		"a bad one twice":      {6, hashed("x", "x"), outcomes(badHash, badHash)},
		"17 codes":             {6, inPlain(seventeen...), append(slices.Repeat(outcomes(ok), 16), many)},
		"17 codes, one is bad": {6, append(hashed("$1$abc$abcdefghijklmnopqrstu/"), inPlain(seventeen[:16]...)...), append(outcomes(badHash), slices.Repeat(outcomes(ok), 16)...)},
		"others":               {6, append(hashed("f7a2k-9xq0m", sha256Of("x")[:40]), recovery.Foreign{}, recovery.ForeignCode("")), outcomes(badHash, badHash, badCode, badCode)},
		"eight beside eight":   {8, append(inPlain("12345678", "k3j9w0qx"), recovery.ForeignHash(hash, 8)), outcomes(eight, ok, eight)},
		"eight beside six":     {6, append(inPlain("12345678", "k3j9w0qx"), recovery.ForeignHash(hash, 8)), outcomes(ok, ok, ok)},
		"Argon2id, eight cores": {6, hashed("$argon2id$v=19$m=64,t=1,p=8$" + base64.RawStdEncoding.EncodeToString([]byte("another salt")) + "$" +
			base64.RawStdEncoding.EncodeToString(argon2.IDKey([]byte("k3j9w0qx"), []byte("another salt"), 1, 64, 8, 32))), outcomes(ok)},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			o := &owner{h: h, id: "u", key: totp.Key{Secret: totp.GenerateSecret(), Digits: c.digits}}
			in := importing(gatehouse.ImportAuthenticator{Secret: o.key.Secret, Digits: c.digits, LastStep: totp.Step(h.clock()) - 1})
			in.RecoveryCodes = c.codes
			r := h.bring("u", in)
			require.Equal(t, c.want, r.RecoveryCodes)
			require.Equal(t, outcomes(ok), r.Authenticators)
			left := 0
			for _, outcome := range c.want {
				require.Equal(t, outcome == ok, outcome.Brought())
				if outcome.Brought() {
					left++
				}
			}
			require.Equal(t, left, must(h.Account(context.Background(), "u")).RecoveryCodes.Left)
			if name == "Argon2id, eight cores" {
				_, err := o.signIn("k3j9w0qx")
				require.NoError(t, err)
			}
			_, err := o.signIn(o.code())
			require.NoError(t, err)
		})
	}
}

// Row F4: several authenticators; and what is left out of them does not hinder the others.
func TestImportSeveral(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	weak, _, err := totp.ParseImported("JBSWY3DPEHPK3PXP")
	require.NoError(t, err)
	var owners []*owner
	in := importing(
		gatehouse.ImportAuthenticator{},
		gatehouse.ImportAuthenticator{Secret: weak, Period: time.Minute},
		gatehouse.ImportAuthenticator{Secret: weak},
		gatehouse.ImportAuthenticator{Secret: weak, Digits: 8},
		gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret(), Algorithm: 7},
		gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret(), Digits: 7},
	)
	want := outcomes(importBadSecret, importBadPeriod, importWeak, importDuplicate,
		importBadParameters, importBadParameters)
	for i := range 5 {
		x := gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret(), Digits: 6 + i%2*2, Period: totp.Period, Name: fmt.Sprint("Phone ", i)}
		in.Authenticators = append(in.Authenticators, x)
		owners = append(owners, &owner{h: h, id: "u", key: totp.Key{Secret: x.Secret, Digits: x.Digits}})
		want = append(want, importBrought)
	}
	want[len(want)-1] = importTooMany
	require.Equal(t, want, h.bring("u", in).Authenticators)
	owners[4] = &owner{h: h, id: "u", key: totp.Key{Secret: weak, Weak: true}}
	require.Len(t, must(h.Account(ctx, "u")).Authenticators, 5)
	h.wait(2 * totp.Period)
	for _, o := range owners {
		_, err := o.signIn(o.code())
		require.NoError(t, err)
	}
	h.unchanged(func() { h.bring("u", in) }, "again")
}

// Import may run again to add what was left out, as long as the factors are as it left them.
func TestImportAgain(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	first, second := gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret(), LastStep: totp.Step(h.clock()) - 1}, gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret()}
	h.bring("u", importing(first))
	o := &owner{h: h, id: "u", key: totp.Key{Secret: first.Secret}}
	_, err := o.signIn(o.code())
	require.NoError(t, err)
	last := h.account("u").Authenticators[0].Last
	require.NoError(t, h.Operator("system").PasswordChanged(ctx, "u", gatehouse.KeepTokens))

	more := importing(first, second)
	more.RecoveryCodes = inPlain("k3j9w0qx", "12345678")
	proof := o.fresh()
	r := h.bring("u", more)
	require.Equal(t, outcomes(importThere, importBrought), r.Authenticators)
	require.Equal(t, outcomes(importBrought, importBrought), r.RecoveryCodes)
	require.GreaterOrEqual(t, h.account("u").Authenticators[0].Last, last, "a used step stays used")
	_, err = h.Owner(proof).RegenerateRecoveryCodes(ctx)
	require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, "a change of factors ends proofs")
	eight := importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret(), Digits: 8})
	h.unchanged(func() { require.Equal(t, outcomes(importEightDigits), h.bring("u", eight).Authenticators) }, "codes of eight digits are there")

	require.NoError(t, h.Operator("system").Suspend(ctx, "u"))
	h.refuse("u", more, gatehouse.ErrPrecondition, "suspended")
	require.NoError(t, h.Operator("system").Resume(ctx, "u"))

	third := importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret()})
	for what, change := range map[string]func(face face, h *house) error{
		"removed": func(face face, h *house) error {
			_, err := face.RemoveAuthenticator(ctx, must(h.Account(ctx, "u")).Authenticators[1].ID)
			return err
		},
		"new codes": func(face face, _ *house) error {
			_, err := face.RegenerateRecoveryCodes(ctx)
			return err
		},
		"paired": func(face face, h *house) error {
			enr := must(face.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "ada"}))
			_, err := face.ConfirmEnrollment(ctx, enr.ID, must(keyOf(enr, 6).Code(totp.Step(h.clock()))))
			return err
		},
		"turned off": func(face face, _ *house) error {
			_, err := face.DisableTwoFactor(ctx)
			return err
		},
		"reset": func(_ face, h *house) error { _, err := h.Operator("op").Reset(ctx, "u"); return err },
		"restored": func(_ face, h *house) error {
			_, err := h.Operator("op").AfterRestore(ctx, gatehouse.Restoration{}, "", nil)
			return err
		},
	} {
		c := o.copy(t)
		require.NoError(t, change(c.h.Owner(c.fresh()), c.h), what)
		c.h.refuse("u", third, gatehouse.ErrPrecondition, what)
		if what == "removed" || what == "turned off" {
			c.h.refuse("u", more, gatehouse.ErrPrecondition, "what its owner has removed does not come back, nor do used codes")
		}
		if what == "turned off" {
			c.h.refuse("u", gatehouse.Import{Close: true}, gatehouse.ErrPrecondition, "nor is the account closed")
		}
	}
	// Nor is anything added to an account that was never imported.
	h.enroll("v")
	h.refuse("v", third, gatehouse.ErrPrecondition, "paired here")
}

// Row F3: whoever writes to the store cannot make a short secret pass for a good one, nor the other way round.
func TestWeakMarkTampered(t *testing.T) {
	h := newHouse(t)
	for _, text := range []string{"JBSWY3DPEHPK3PXP", "ABCDEFGHIJKLMNOPQRSTUVWXYY"} {
		secret, _, err := totp.ParseImported(text)
		require.NoError(t, err)
		o := &owner{h: h, id: text, key: totp.Key{Secret: secret, Weak: secret.Weak()}}
		h.bring(text, importing(gatehouse.ImportAuthenticator{Secret: secret, LastStep: totp.Step(h.clock()) - 1}))
		h.tamper(text, func(a *accountData) { a.Authenticators[0].Weak = !a.Authenticators[0].Weak })
		h.unchanged(func() {
			for _, code := range []string{o.code(), "000000"} {
				_, err := o.signIn(code)
				require.ErrorIs(t, err, totp.ErrSecret)
				require.NotErrorIs(t, err, gatehouse.ErrDenied, "a fault is no denial")
			}
		}, text)
	}
}

// A fault while an imported code is looked at, or while something is imported, is a fault.
func TestImportFaults(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t)
	in := importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret()})
	in.RecoveryCodes = inPlain("12345678", "k3j9w0qx")
	h.bring("u", in)
	for i, code := range []string{"12345678", "k3j9w0qx"} {
		whole := h.account("u")
		h.tamper("u", func(a *accountData) {
			a.Recovery.Slots[i].Hash = core.NewHash("{sha256}" + a.Recovery.Slots[i].Hash.Text())
		})
		h.unchanged(func() {
			_, err := h.StepUp(ctx, "u", code)
			require.ErrorIs(t, err, recovery.ErrHash)
			require.NotErrorIs(t, err, gatehouse.ErrDenied)
		}, code)
		h.tamper("u", func(a *accountData) { *a = whole })
	}

	sealer := &brokenSealer{Sealer: h.keys}
	broken := houseOn(t, h.store, func(c *settings) { c.Keys, c.Sealer = h.keys, sealer })
	broken.refuse("v", in, errSealer, "sealing")
	broken.refuse("u", in, errSealer, "opening what is there")
	ended, end := context.WithCancel(ctx)
	end()
	h.unchanged(func() {
		for _, in := range []gatehouse.Import{in, {Close: true}} {
			r, err := h.Operator("op").Import(ended, "v", in)
			require.ErrorIs(t, err, context.Canceled)
			require.Zero(t, r)
		}
	}, "the context")
}

var errSealer = errors.New("the key service is down")

type brokenSealer struct{ keyring.Sealer }

func (*brokenSealer) Seal(context.Context, []byte, keyring.Binding) ([]byte, error) {
	return nil, errSealer
}
func (*brokenSealer) Open(context.Context, []byte, keyring.Binding) ([]byte, error) {
	return nil, errSealer
}

// What an import did is told, and kept for the owner to look at.
func TestImportEvents(t *testing.T) {
	ctx := context.Background()
	var r recorder
	h := newHouse(t, observed(&r))
	op := h.Operator("migration").Because("from Acme 1")
	told := func(want ...event.Event) {
		t.Helper()
		r.mu.Lock()
		defer r.mu.Unlock()
		for i := range want {
			want[i].AccountID, want[i].At, want[i].OperatorID, want[i].Count = "u", h.clock(), "migration", 1
		}
		for i := range r.events {
			r.events[i].Number = 0
		}
		require.Equal(t, want, r.events)
		r.events = nil
	}
	closed := must(op.Import(ctx, "u", gatehouse.Import{Close: true}))
	told(event.Event{Kind: event.AccountImported, Reason: "from Acme 1"}, event.Event{Kind: event.OperatorCodeMade, Expires: closed.CodeExpires})
	in := importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret(), Name: "Old app"})
	in.RecoveryCodes = inPlain("12345678", "k3j9w0qx")
	_ = must(op.Import(ctx, "u", in))
	id := must(h.Account(ctx, "u")).Authenticators[0].ID
	told(event.Event{Kind: event.AccountImported, Reason: "from Acme 1", AuthenticatorID: id, AuthenticatorName: "Old app", CodesLeft: 2})
	_ = must(op.Import(ctx, "u", importing(gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret()}, gatehouse.ImportAuthenticator{Secret: totp.GenerateSecret()})))
	told(event.Event{Kind: event.AccountImported, Reason: "from Acme 1", CodesLeft: 2})
	_ = must(op.Import(ctx, "u", in))
	told()
	require.Equal(t, event.AccountImported, must(h.Activity(ctx, "u"))[0].Kind)
}
