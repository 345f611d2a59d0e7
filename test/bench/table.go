package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
)

// printTable writes the table: the median of each figure over the rounds, and the median of the rounds' ratios.
func printTable(w io.Writer, chosen []stage, all []round) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "STAGE\tWHAT\tOURS\tFLOOR\tTIMES\tTHE FLOOR IS")
	for _, s := range chosen {
		name := s.name
		for _, r := range s.rows {
			for _, r := range r.expand(all) {
				ours := median(values(all, figure{r.ours, r.unit}))
				floor := figure{r.floor, r.unit}
				if r.floorUnit != "" {
					floor.unit = r.floorUnit
				}
				fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", name, r.what, show(ours, r.unit),
					show(median(values(all, floor)), r.unit), times(median(ratios(all, figure{r.ours, r.unit}, floor))), floor.bench)
				name = ""
			}
		}
	}
	return out.Flush()
}

// expand repeats a row for each benchmark that it stands for.
func (r row) expand(all []round) []row {
	if !r.each {
		return []row{r}
	}
	found := map[string]bool{}
	for _, one := range all {
		for f := range one {
			if ok, err := path.Match(r.ours, f.bench); err == nil && ok && f.unit == r.unit && f.bench != r.floor {
				found[f.bench] = true
			}
		}
	}
	var rows []row
	for _, bench := range slices.Sorted(maps.Keys(found)) {
		other := r
		other.ours, other.what = bench, r.what+path.Base(bench)
		rows = append(rows, other)
	}
	return rows
}

func values(all []round, f figure) []float64 {
	var list []float64
	for _, r := range all {
		if v, ok := r[f]; ok {
			list = append(list, v)
		}
	}
	return list
}

// ratios are those of each round: what was measured seconds apart met the same load.
func ratios(all []round, ours, floor figure) []float64 {
	var list []float64
	for _, r := range all {
		a, ok := r[ours]
		b, there := r[floor]
		if ok && there && b > 0 {
			list = append(list, a/b)
		}
	}
	return list
}

// median is NaN when there is nothing.
func median(list []float64) float64 {
	if len(list) == 0 {
		return math.NaN()
	}
	slices.Sort(list)
	return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
}

// show writes a value in a unit that reads well.
func show(value float64, unit string) string {
	switch {
	case math.IsNaN(value):
		return "-"
	case strings.HasSuffix(unit, "bytes"):
		return fmt.Sprintf("%.1f MB", value/1e6)
	case value >= 1e6:
		return fmt.Sprintf("%.1f ms", value/1e6)
	default:
		return fmt.Sprintf("%.1f us", value/1e3)
	}
}

func times(ratio float64) string {
	if math.IsNaN(ratio) {
		return "-"
	}
	return fmt.Sprintf("%.2f", ratio)
}
