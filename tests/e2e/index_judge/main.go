// What others say of indexes and documents.
//
//	judge platforms: which of the platforms containerd takes for the wanted one, best first. Stdin is a line of JSON for each
//	question, {"want": platform, "have": [platform…]}; stdout a line with the places in `have`. Other architectures are left
//	out: that a processor could run them says nothing of what an image for it is built on. What needs features of the system
//	that were not asked for comes last.
//	judge schemas: whether documents are what the schemas of image-spec say. Stdin is a line for each, a media type and a
//	path; stdout a line for each that is not.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/containerd/platforms"
	"github.com/opencontainers/image-spec/schema"
)

type question struct {
	Want platforms.Platform
	Have []platforms.Platform
}

func answer(asked question) []int {
	want := platforms.Normalize(asked.Want)
	order := platforms.Only(want)
	plain := make([]platforms.Platform, len(asked.Have))
	taken := []int{}
	for place, have := range asked.Have {
		plain[place] = have
		plain[place].OSFeatures = nil
		if platforms.Normalize(have).Architecture == want.Architecture && order.Match(plain[place]) {
			taken = append(taken, place)
		}
	}
	sort.SliceStable(taken, func(a, b int) bool {
		one, other := taken[a], taken[b]
		first, second := order.Match(asked.Have[one]), order.Match(asked.Have[other])
		if first != second {
			return first
		}
		return order.Less(plain[one], plain[other])
	})
	return taken
}

func check(line string) error {
	kind, path, _ := strings.Cut(line, " ")
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return schema.Validator(kind).Validate(file)
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		if os.Args[1] == "schemas" {
			if err := check(lines.Text()); err != nil {
				fmt.Printf("%s: %v\n", lines.Text(), err)
			}
			continue
		}
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		text, _ := json.Marshal(answer(asked))
		fmt.Println(string(text))
	}
}
