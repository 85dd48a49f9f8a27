// Reads a log from a directory with Go's own packages: the note, the root out of the tiles, a proof of each record.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type directory struct{ path string }

func (d directory) Height() int { return 8 }

func (d directory) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		// Go writes tile/8/LEVEL/…, the C2SP format leaves the height out.
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		octets, err := os.ReadFile(filepath.Join(d.path, path))
		if err != nil {
			return nil, err
		}
		data[i] = octets
	}
	return data, nil
}

func (d directory) SaveTiles([]tlog.Tile, [][]byte) {}

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func run(path, key string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return err
	}
	checkpoint, err := os.ReadFile(filepath.Join(path, "checkpoint"))
	if err != nil {
		return err
	}
	opened, err := note.Open(checkpoint, note.VerifierList(verifier))
	if err != nil {
		return err
	}
	var origin, hash string
	var size int64
	if _, err := fmt.Sscanf(opened.Text, "%s\n%d\n%s\n", &origin, &size, &hash); err != nil {
		return err
	}
	root, err := tlog.ParseHash(hash)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, directory{path})
	for i := int64(0); i < size; i++ {
		hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, i)})
		if err != nil {
			return err
		}
		proof, err := tlog.ProveRecord(size, i, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, size, root, i, hashes[0]); err != nil {
			return err
		}
	}
	return proofs(path, size, root)
}

type receipt struct {
	Index int64
	Entry []byte
	Proof [][]byte
}

type consistency struct {
	Size  int64
	Root  []byte
	Proof [][]byte
}

// What our own code proved.
func proofs(path string, size int64, root tlog.Hash) error {
	octets, err := os.ReadFile(filepath.Join(path, "proofs.json"))
	if err != nil {
		return err
	}
	var ours struct {
		Receipts []receipt
		Older    []consistency
	}
	if err := json.NewDecoder(bytes.NewReader(octets)).Decode(&ours); err != nil {
		return err
	}
	for _, one := range ours.Receipts {
		if err := tlog.CheckRecord(hashesOf(one.Proof), size, root, one.Index, tlog.RecordHash(one.Entry)); err != nil {
			return fmt.Errorf("receipt of %d: %w", one.Index, err)
		}
	}
	for _, one := range ours.Older {
		var older tlog.Hash
		copy(older[:], one.Root)
		if err := tlog.CheckTree(hashesOf(one.Proof), size, root, one.Size, older); err != nil {
			return fmt.Errorf("consistency with %d: %w", one.Size, err)
		}
	}
	fmt.Printf("%d records, %d receipts, %d older trees\n", size, len(ours.Receipts), len(ours.Older))
	return nil
}

func hashesOf(octets [][]byte) []tlog.Hash {
	hashes := make([]tlog.Hash, len(octets))
	for i, one := range octets {
		copy(hashes[i][:], one)
	}
	return hashes
}
