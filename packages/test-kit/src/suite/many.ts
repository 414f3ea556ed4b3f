import { deepEqual, equal } from 'node:assert/strict'
import { content, contentOf, create, directory, ok, pattern, status } from '../assertions.js'
import type { ConformanceCase } from '../case.js'
import { constants as c } from '../native.js'
import * as posix from '../posix.js'

export const cases: ConformanceCase[] = [
  {
    name: 'statfs tells plausible sizes',
    run(t) {
      const { blocks, blocksFree, blocksAvailable, blockSize, fragmentSize, nameLength, files, filesFree } =
        ok(posix.statfs(t.directory))
      equal(blocks > 0 && blockSize > 0 && fragmentSize > 0, true, 'sizes')
      equal(blocksFree <= blocks && blocksAvailable <= blocksFree, true, 'free')
      equal(filesFree <= files, true, 'files')
      equal(nameLength, 255)
    },
  },
  {
    name: 'statfs tells the sizes of the filesystem beneath',
    run(t) {
      const [target, reference] = [ok(posix.statfs(t.directory)), ok(posix.statfs(t.reference))]
      equal(target.blocks * target.fragmentSize, reference.blocks * reference.fragmentSize)
      equal(target.files, reference.files)
    },
  },
  {
    name: 'two thousand files are open at once, each with its own content',
    run(t) {
      ok(posix.chdir(t.directory))
      const files = Array.from({ length: 2000 }, (_, index) => {
        const fd = ok(posix.open(`f${index}`, c.O_CREAT | c.O_RDWR | c.O_EXCL, 0o644))
        ok(posix.write(fd, `content of ${index}`))
        return fd
      })
      files.forEach((fd, index) => {
        equal(contentOf(fd).toString(), `content of ${index}`)
      })
      for (const fd of files) ok(posix.close(fd))
      files.forEach((_, index) => {
        equal(content(`f${index}`).toString(), `content of ${index}`)
      })
    },
  },
  {
    name: 'one file open a thousand times is one file',
    run(t) {
      create(t.path('f'), 'x')
      const files = Array.from({ length: 1000 }, () => ok(posix.open(t.path('f'), c.O_RDWR)))
      ok(posix.pwrite(files[500], 'changed', 0))
      for (const fd of files) equal(ok(posix.pread(fd, 10, 0)).toString(), 'changed')
      for (const fd of files) ok(posix.close(fd))
    },
  },
  {
    name: 'a tree of a thousand directories is made, listed, walked and removed',
    run(t) {
      const make = (digits: string): void => {
        if (digits.length === 3) return create('f', digits)
        for (let digit = 0; digit < 10; digit++) {
          directory(`${digit}`)
          ok(posix.chdir(`${digit}`))
          make(`${digits}${digit}`)
          ok(posix.chdir('..'))
        }
      }
      const inodes = new Set<bigint>()
      const walk = (digits: string): void => {
        for (const name of ok(posix.list('.'))) {
          const found = status(name)
          inodes.add(found.ino)
          if ((found.mode & c.S_IFMT) === c.S_IFDIR) {
            ok(posix.chdir(name))
            walk(`${digits}${name}`)
            ok(posix.chdir('..'))
          } else equal(content(name).toString(), digits)
        }
      }
      ok(posix.chdir(t.directory))
      make('')
      walk('')
      equal(inodes.size, 2110)
    },
  },
  {
    name: 'thirty two megabytes are written, synced and read again, in pieces that fit no page',
    run(t) {
      const piece = pattern(99_991)
      const count = Math.ceil((32 << 20) / piece.length)
      const fd = ok(posix.open(t.path('f'), c.O_CREAT | c.O_RDWR, 0o644))
      for (let index = 0; index < count; index++) equal(posix.write(fd, piece), piece.length)
      equal(posix.fsync(fd), 0)
      ok(posix.close(fd))
      const again = ok(posix.open(t.path('f'), c.O_RDONLY))
      for (let index = 0; index < count; index++) {
        equal(
          ok(posix.pread(again, piece.length, index * piece.length)).equals(piece),
          true,
          `piece ${index}`,
        )
      }
      equal(ok(posix.read(again, 0)).length, 0)
      ok(posix.close(again))
      equal(status(t.path('f')).size, count * piece.length)
    },
  },
  {
    name: 'names made and removed two thousand times leave the directory empty',
    run(t) {
      ok(posix.chdir(t.directory))
      for (let index = 0; index < 2000; index++) {
        create('f', String(index))
        ok(posix.unlink('f'))
      }
      deepEqual(posix.list(t.directory), [])
    },
  },
]
