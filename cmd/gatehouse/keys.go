package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/gatehouse-go/gatehouse/keyring"
)

var errNoKeys = usageError{errors.New("no keys: give -keys FILE or set GATEHOUSE_KEYS")}

// ringOf returns the service's keys, or errNoKeys.
func ringOf(c *cli.Command) (*keyring.Ring, error) {
	if path := c.String("keys"); path != "" {
		ring, err := keyring.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("-keys: there is no file %s", path)
		case err != nil:
			return nil, fmt.Errorf("-keys: %w", err)
		}
		return ring, nil
	}
	text := os.Getenv("GATEHOUSE_KEYS")
	if text == "" {
		return nil, errNoKeys
	}
	ring, err := keyring.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("GATEHOUSE_KEYS: %w", err)
	}
	return ring, nil
}

// keyNames returns the names of the keys in a ring, the primary one first.
func keyNames(ring *keyring.Ring) (names []string) {
	for line := range strings.FieldsSeq(ring.Reveal()) {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	return names
}

func keysCommand() *cli.Command {
	return &cli.Command{
		Name: "keys", Usage: "make a key",
		Commands: []*cli.Command{{
			Name: "new", Usage: "print a new key for the service's secret store",
			Description: `It is the one command that prints a key, and keeps none. With -out it goes into a new file of mode 0600
and not to the terminal. docs/keys.md says how to rotate.` + examples(
				"gatehouse keys new -out gatehouse.keys",
				"gatehouse keys new >> gatehouse.keys"),
			Flags:  []cli.Flag{&cli.StringFlag{Name: "out", Usage: "new `FILE` to write it to"}},
			Action: newKey,
		}},
	}
}

func newKey(_ context.Context, c *cli.Command) error {
	if _, err := arguments(c); err != nil {
		return err
	}
	ring := keyring.Generate()
	path := c.String("out")
	if path == "" {
		if c.Bool("json") {
			return printJSON(c, struct {
				Name string `json:"name"`
				Key  string `json:"key"`
			}{ring.Primary(), strings.TrimSpace(ring.Reveal())})
		}
		_, err := fmt.Fprintln(c.Root().Writer, strings.TrimSpace(ring.Reveal()))
		return err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and keys are not overwritten", path)
	}
	if err == nil {
		_, err = fmt.Fprintln(file, strings.TrimSpace(ring.Reveal()))
		err = errors.Join(err, file.Sync(), file.Close())
	}
	if err != nil {
		return fmt.Errorf("cannot write %s", path)
	}
	return report(c, "wrote key "+ring.Primary()+" to "+path, struct {
		Name string `json:"name"`
		File string `json:"file"`
	}{ring.Primary(), path})
}
