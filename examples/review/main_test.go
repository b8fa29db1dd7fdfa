package main

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReview(t *testing.T) {
	var out, errs strings.Builder
	require.Zero(t, run([]string{"-accounts", "30"}, &out, &errs), errs.String())
	before, after, found := strings.Cut(out.String(), "Deployed to the internet.")
	require.True(t, found)
	require.Contains(t, before, "Level 0 of 3")
	require.Contains(t, before, "Not deployed to the internet:\n- Two-factor sign-in is off: Turn on two-factor sign-in. /settings/security/pair\n")
	require.Contains(t, before, "Level 1 of 3")
	require.Contains(t, before, "OPEN")
	require.Contains(t, after, "Turned off again, the score would fall")
	require.Contains(t, after, "# All 31 accounts")
	require.Regexp(t, `shut out of tokens\.mint: \d+`, after)
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"-accounts", "0"}, {"-accounts", "x"}, {"stray"}, {"-unknown"}} {
		require.Equal(t, 2, run(args, io.Discard, io.Discard), args)
	}
	require.Zero(t, run([]string{"-h"}, io.Discard, io.Discard))
}
