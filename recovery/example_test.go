package recovery_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/recovery"
)

// exampleCodes is a set that everybody knows, and of two codes only. Real sets come from Generate.
func exampleCodes() recovery.Codes {
	var codes recovery.Codes
	for _, text := range []string{"K7XQ-2M9D-4TWB-01Z5", "3H8R-V6CN-0YJA-PGSE"} {
		code, err := recovery.Parse(text)
		if err != nil {
			panic(err)
		}
		codes = append(codes, code)
	}
	return codes
}

// One set, from its making to a redeem: the selector of what is typed picks the one hash to compare.
func Example() {
	type slot struct { // what is stored of one code
		selector byte
		hash     string
		used     bool
	}
	var slots []slot
	codes := recovery.Generate()
	for _, code := range codes {
		hash, err := recovery.DefaultParams().Hash(code)
		if err != nil {
			panic(err)
		}
		slots = append(slots, slot{selector: code.Selector(), hash: hash})
	}

	redeem := func(typed string) (bool, error) {
		code, err := recovery.Parse(typed)
		if err != nil {
			return false, nil // as wrong as a wrong code
		}
		for i := range slots {
			if slots[i].selector != code.Selector() || slots[i].used {
				continue
			}
			ok, err := recovery.Verify(slots[i].hash, code)
			slots[i].used = ok // saved by compare-and-swap before anybody is let in
			return ok, err
		}
		return false, nil
	}
	fmt.Println(redeem(codes[3].Reveal()))
	fmt.Println(redeem(codes[3].Reveal()))
	// Output:
	// true <nil>
	// false <nil>
}

func ExampleGenerate() {
	codes := recovery.Generate()
	fmt.Println(len(codes), codes[0], len(codes[0].Reveal()))
	// Output: 10 [redacted] 19
}

func ExampleParse() {
	code, err := recovery.Parse("k7xq 2m9d 4twb olz5")
	fmt.Println(code, code.Reveal(), err)
	_, err = recovery.Parse("123456")
	fmt.Println(errors.Is(err, recovery.ErrCode), err)
	// Output:
	// [redacted] K7XQ-2M9D-4TWB-01Z5 <nil>
	// true recovery: not a recovery code: fewer than 16 symbols
}

func ExampleCode_Reveal() {
	for _, code := range exampleCodes() {
		fmt.Println(code.Reveal())
	}
	// Output:
	// K7XQ-2M9D-4TWB-01Z5
	// 3H8R-V6CN-0YJA-PGSE
}

func ExampleCode_Selector() {
	fmt.Printf("%c\n", exampleCodes()[0].Selector())
	// Output: K
}

func ExampleCodes_Text() {
	made := time.Date(2026, 2, 28, 12, 0, 0, 0, time.UTC)
	fmt.Print(exampleCodes().Text("Acme", "ada@acme.test", made))
	// Output:
	// Acme
	// ada@acme.test
	// 2026-02-28
	//
	// K7XQ-2M9D-4TWB-01Z5
	// 3H8R-V6CN-0YJA-PGSE
}

func ExampleParams_Hash() {
	code := exampleCodes()[0]
	hash, err := recovery.DefaultParams().Hash(code)
	fmt.Println(len(hash), hash[:len("$argon2id$v=19$m=19456,t=2,p=1$")], err)
	// Output: 97 $argon2id$v=19$m=19456,t=2,p=1$ <nil>
}

func ExampleParams_Check() {
	fmt.Println(recovery.DefaultParams().Check())
	fmt.Println(recovery.Params{}.Check())
	// Output:
	// <nil>
	// recovery: bad Argon2id parameters: not 1 to 4 threads
}

func ExampleVerify() {
	const hash = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$puz1jt+HFQjdTU9yGNiaY5gEF3Qx6gTZVB9CykqzDqA"
	right, _ := recovery.Parse("0123-4567-89ab-cdef")
	fmt.Println(recovery.Verify(hash, right))
	fmt.Println(recovery.Verify(hash, exampleCodes()[0]))
	fmt.Println(recovery.Verify("$argon2id$v=19$m=99999,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$puz1jt+HFQjdTU9yGNiaY5gEF3Qx6gTZVB9CykqzDqA", right))
	// Output:
	// true <nil>
	// false <nil>
	// false recovery: bad stored hash: a parameter is no number or out of bounds
}

func ExampleCheckHash() {
	err := recovery.CheckHash("$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW")
	fmt.Println(errors.Is(err, recovery.ErrHash))
	// Output: true
}
