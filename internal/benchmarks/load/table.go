package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// makeTable makes one file of tables of all raw results in a directory.
func makeTable(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "http*.jsonl"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("there are no results in %s", dir)
	}
	slices.Reverse(files) // http.jsonl comes last, and should come first
	var lines []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		lines = append(lines, text...)
	}
	table, err := tableOf(lines)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "http.md"), table, 0o644)
}

// tableOf makes tables of lines of JSON: one of the runs of each scenario, and one of what became of codes given twice.
func tableOf(lines []byte) ([]byte, error) {
	var probes []found
	runs := map[string][]result{}
	var scenarios []string
	for line := range bytes.Lines(lines) {
		var r result
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, err
		}
		if r.Scenario == "" {
			var f found
			if err := json.Unmarshal(line, &f); err != nil {
				return nil, err
			}
			probes = append(probes, f)
			continue
		}
		if runs[r.Scenario] == nil {
			scenarios = append(scenarios, r.Scenario)
		}
		runs[r.Scenario] = append(runs[r.Scenario], r)
	}
	var out bytes.Buffer
	for _, scenario := range scenarios {
		fmt.Fprintf(&out, "%s\n\n| server | database | load | a second | failed | p50 · p95 · p99, ms | processor time of the server · of the database, µs each |\n", strings.ToUpper(scenario[:1])+scenario[1:])
		fmt.Fprintf(&out, "| --- | --- | --- | --- | --- | --- | --- |\n")
		for _, r := range runs[scenario] {
			load := fmt.Sprintf("%d clients", r.Clients)
			if r.Clients == 1 {
				load = "1 client"
			} else if r.Clients == 0 {
				load = fmt.Sprintf("%.0f arrivals a second", r.Rate)
			}
			fmt.Fprintf(&out, "| %s | %s | %s | %.0f | %d | %.1f · %.1f · %.1f | %s |\n", r.Server, r.Database, load, r.PerSecond, r.Failed, r.P50, r.P95, r.P99, cpuOf(r))
		}
		fmt.Fprintln(&out)
	}
	fmt.Fprintf(&out, "Codes given twice\n\n| server | database | signed in again | signed in two browsers at once |\n| --- | --- | --- | --- |\n")
	for _, f := range probes {
		fmt.Fprintf(&out, "| %s | %s | %d of %d | %d of %d |\n", f.Server, f.Database, f.Replays, f.Of, f.Twice, f.Of)
	}
	return out.Bytes(), nil
}

func cpuOf(r result) string {
	if db, ok := r.CPU["database"]; ok {
		return fmt.Sprintf("%.0f · %.0f", r.CPU["server"], db)
	}
	return fmt.Sprintf("%.0f, with the database", r.CPU["server"])
}
