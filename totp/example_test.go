package totp_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/totp"
)

// exampleKey is a key everybody knows: that of the RFCs' test vectors.
func exampleKey() totp.Key {
	secret, err := totp.ParseSecret("gezd gnbv gy3t qojq gezd gnbv gy3t qojq")
	if err != nil {
		panic(err)
	}
	return totp.Key{Secret: secret}
}

func ExampleGenerateSecret() {
	key := totp.Key{Secret: totp.GenerateSecret()}
	fmt.Println(key.Secret, len(key.Secret.Reveal()), key.Check())
	// Output: [redacted] 32 <nil>
}

func ExampleParseSecret() {
	secret, err := totp.ParseSecret("gezd gnbv gy3t qojq gezd gnbv gy3t qojq")
	fmt.Println(secret.Reveal(), err)
	_, err = totp.ParseSecret("JBSWY3DPEHPK3PXP")
	fmt.Println(err)
	// Output:
	// GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ <nil>
	// totp: bad secret: 10 bytes, not 16 to 128
}

func ExampleParseAlgorithm() {
	algorithm, err := totp.ParseAlgorithm("sha256")
	fmt.Println(algorithm, err)
	// Output: SHA256 <nil>
}

func ExampleStep() {
	fmt.Println(totp.Step(time.Unix(59, 0)))
	// Output: 1
}

func ExampleIsCode() {
	fmt.Println(totp.IsCode("012345"), totp.IsCode("12345"), totp.IsCode("012345 "), totp.IsCode("०१२३४५"))
	// Output: true false false false
}

func ExampleKey_Match() {
	key := exampleKey()
	var counter totp.Counter // as loaded from the store
	now := time.Unix(1234567890, 0)

	next, err := key.Match("005924", now, totp.DefaultWindow(), counter)
	fmt.Println(next.Last, err) // save next before anybody is let in

	_, err = key.Match("005924", now.Add(20*time.Second), totp.DefaultWindow(), next)
	fmt.Println(errors.Is(err, totp.ErrReplayed))
	// Output:
	// 41152263 <nil>
	// true
}

func ExampleKey_Resync() {
	key := exampleKey()
	now := time.Unix(1234567890, 0)
	wrong := totp.Step(now) - 15 // the authenticator's clock is some eight minutes slow
	first, _ := key.Code(wrong - 1)
	second, _ := key.Code(wrong)

	next, err := key.Resync(first, second, now, totp.Counter{})
	fmt.Println(next.Base, err)
	// Output: -15 <nil>
}

func ExampleKey_Code() {
	code, err := exampleKey().Code(1)
	fmt.Println(code, err)
	// Output: 287082 <nil>
}

func ExampleKey_Check() {
	fmt.Println(totp.Key{}.Check())
	// Output: totp: bad secret: 0 bytes, not 16 to 128
}

func ExampleKey_URI() {
	uri, err := exampleKey().URI("AT&T", "ada@acme.test")
	fmt.Println(uri, err)
	// Output: otpauth://totp/AT%26T:ada%40acme.test?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=AT%26T&algorithm=SHA1&digits=6&period=30 <nil>
}

func ExampleKey_QR() {
	picture, err := exampleKey().QR("Acme", "ada@acme.test")
	if err != nil {
		panic(err)
	}
	fmt.Println(picture)
	fmt.Println(strings.HasPrefix(string(picture.PNG()), "\x89PNG"))
	fmt.Println(strings.HasPrefix(string(picture.SVG()), "<svg "))
	fmt.Println(strings.Count(picture.Terminal(), "\n"), "lines")
	// Output:
	// [redacted]
	// true
	// true
	// 27 lines
}

func ExampleDefaultWindow() {
	w := totp.DefaultWindow()
	fmt.Println(w.Steps(), w.Check(), totp.Window{Past: 3}.Check())
	// Output: 3 <nil> totp: bad parameters: a side of the window is not 0 to 2 steps
}
