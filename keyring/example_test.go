package keyring_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gatehouse-go/gatehouse/keyring"
)

// exampleKeys is a ring everybody knows; real keys come from Generate.
func exampleKeys() *keyring.Ring {
	keys, err := keyring.Parse(`
		# The first seals; the others only open.
		k-2026:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
		k-2025:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=
	`)
	if err != nil {
		panic(err)
	}
	return keys
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Keys that are made once, and read at each start.
func Example() {
	dir, err := os.MkdirTemp("", "keyring")
	check(err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "gatehouse.keys")

	// Once, by hand. The command "gatehouse keys new -out gatehouse.keys" does the same.
	err = os.WriteFile(path, []byte(keyring.Generate().Reveal()+"\n"), 0o600)
	check(err)

	// At each start. An error ends the program: without these keys no authenticator works.
	keys, err := keyring.ReadFile(path)
	check(err)

	fmt.Println(keys)
	// Output: [redacted]
}

func ExampleGenerate() {
	keys := keyring.Generate()
	name, key, _ := strings.Cut(keys.Reveal(), ":") // what to put into the environment or a file
	fmt.Println(keys, name == keys.Primary(), len(key))
	// Output: [redacted] true 44
}

// Rotation: a new key before the old ones.
func ExampleGenerate_rotate() {
	old := exampleKeys()
	fresh := keyring.Generate()
	keys, err := keyring.Parse(fresh.Reveal() + "\n" + old.Reveal())
	fmt.Println(keys.Primary() == fresh.Primary(), strings.Count(keys.Reveal(), ":"), err)
	// Output: true 3 <nil>
}

func ExampleParse() {
	keys, err := keyring.Parse("k2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=,k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	fmt.Println(keys, keys.Primary(), err)
	_, err = keyring.Parse("k1:aHVudGVyMg==")
	fmt.Println(err)
	// Output:
	// [redacted] k2 <nil>
	// keyring: bad keys: key 1 has 7 bytes, not 32
}

func ExampleReadFile() {
	dir, err := os.MkdirTemp("", "keyring")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "keys")

	keys, err := keyring.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) { // the first start
		keys = keyring.Generate()
		err = os.WriteFile(path, []byte(keys.Reveal()+"\n"), 0o600)
	}
	if err != nil {
		panic(err)
	}
	again, err := keyring.ReadFile(path)
	fmt.Println(again.Reveal() == keys.Reveal(), err)
	// Output: true <nil>
}

func ExampleRing_Seal() {
	keys := exampleKeys()
	b := keyring.Binding{Purpose: "totp secret", Account: "user-42", Item: "phone"}
	sealed, err := keys.Seal(context.Background(), []byte("a secret"), b)
	fmt.Printf("%d bytes, %q…, %v\n", len(sealed), sealed[:8], err)
	// Output: 44 bytes, "\x01\x06k-2026"…, <nil>
}

func ExampleRing_Open() {
	ctx := context.Background()
	keys := exampleKeys()
	b := keyring.Binding{Purpose: "totp secret", Account: "user-42", Item: "phone"}
	sealed, _ := keys.Seal(ctx, []byte("a secret"), b)

	plaintext, err := keys.Open(ctx, sealed, b)
	fmt.Printf("%s %v\n", plaintext, err)

	b.Account = "user-43" // the row of somebody else
	_, err = keys.Open(ctx, sealed, b)
	fmt.Println(errors.Is(err, keyring.ErrOpen))
	// Output:
	// a secret <nil>
	// true
}

func ExampleRing_KeyName() {
	ctx := context.Background()
	keys := exampleKeys()
	sealed, _ := keyring.Generate().Seal(ctx, []byte("a secret"), keyring.Binding{Purpose: "p"})
	name, err := keys.KeyName(sealed)
	fmt.Println(name == keys.Primary(), err) // false: to be opened and sealed anew

	_, err = keys.Open(ctx, sealed, keyring.Binding{Purpose: "p"})
	fmt.Println(errors.Is(err, keyring.ErrUnknownKey))
	// Output:
	// false <nil>
	// true
}

func ExampleRing_Primary() {
	fmt.Println(exampleKeys().Primary())
	// Output: k-2026
}

func ExampleRing_Reveal() {
	fmt.Println(exampleKeys().Reveal())
	// Output:
	// k-2026:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
	// k-2025:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=
}

func ExampleFromAEAD() {
	var client keyring.AEAD = newService("example") // in a program: a Tink primitive, or a key service's client
	sealer, err := keyring.FromAEAD(keyring.NamedAEAD{Name: "kms-1", AEAD: client})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	b := keyring.Binding{Purpose: "totp secret", Account: "user-42", Item: "phone"}
	sealed, _ := sealer.Seal(ctx, []byte("a secret"), b)
	plaintext, err := sealer.Open(ctx, sealed, b)
	fmt.Printf("%s %s %v\n", sealer.Primary(), plaintext, err)
	// Output: kms-1 a secret <nil>
}
