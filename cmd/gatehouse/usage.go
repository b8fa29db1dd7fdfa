package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"
)

// usageError is a command line that cannot be meant.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func examples(lines ...string) string { return "\n\nExamples:\n  " + strings.Join(lines, "\n  ") }

func outputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "json", Usage: "print JSON: one document, or one a line where the command says so"},
	}
}

// arguments returns the arguments of a command, which has to have exactly as many as there are names.
func arguments(c *cli.Command, names ...string) ([]string, error) {
	args := c.Args().Slice()
	switch {
	case len(args) < len(names):
		return nil, usagef("%s needs %s", c.Name, names[len(args)])
	case len(args) > len(names):
		return nil, usagef("%s has an argument too many: %q", c.Name, args[len(names)])
	}
	return args, nil
}

// oneLine returns a text without what would begin another line or move the cursor of a terminal.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }), " ")
}
