package mail

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// journal is a file of lines, opened at its first write. A nil one takes
// everything and keeps nothing.
type journal struct {
	path string
	sync bool

	file *os.File
	end  int64 // behind the last whole line
}

func (j *journal) close() error {
	if j == nil || j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}

// write adds a line. One that can't be written whole is taken back, so that
// what follows is readable.
func (j *journal) write(v any) error {
	if j == nil {
		return nil
	}
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write a log: %w", err)
	}
	if err := j.open(); err != nil {
		return err
	}
	line = append(line, '\n')
	_, err = j.file.WriteAt(line, j.end)
	if err == nil && j.sync {
		err = j.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write a log: %w", err), j.file.Truncate(j.end))
	}
	j.end += int64(len(line))
	return nil
}

func (j *journal) open() error {
	if j.file != nil {
		return nil
	}
	file, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open a log: %w", err)
	}
	end, err := file.Seek(0, io.SeekEnd)
	if err == nil && j.sync {
		err = syncDir(filepath.Dir(j.path))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("open a log: %w", err), file.Close())
	}
	j.file, j.end = file, end
	return nil
}

// replay reads all whole lines and cuts off what follows them. A file that
// isn't there has none.
func (j *journal) replay(apply func(line []byte) error) error {
	file, err := os.OpenFile(j.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(replay(file, apply), file.Close())
}

func replay(file *os.File, apply func(line []byte) error) error {
	r := bufio.NewReaderSize(file, 1<<16)
	var good int64
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			if len(line) == 0 {
				return nil
			}
			return file.Truncate(good)
		}
		if err != nil {
			return err
		}
		if err := apply(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return fmt.Errorf("%s line %d: %w", file.Name(), n, err)
		}
		good += int64(len(line))
	}
}

// syncDir makes the names of a folder's files last.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
