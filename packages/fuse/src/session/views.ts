import * as p from '../protocol/index.js'

/** The request and reply views of one message, made once: a request allocates nothing. */
export class Views {
  readonly message: p.Message
  readonly request: p.Request
  readonly name: p.NameRequest
  readonly getattr: p.GetattrRequest
  readonly statx: p.StatxRequest
  readonly setattr: p.SetattrRequest
  readonly symlink: p.SymlinkRequest
  readonly mknod: p.MknodRequest
  readonly mkdir: p.MkdirRequest
  readonly rename: p.RenameRequest
  readonly rename2: p.RenameRequest
  readonly link: p.LinkRequest
  readonly open: p.OpenRequest
  readonly create: p.CreateRequest
  readonly read: p.ReadRequest
  readonly readdir: p.ReaddirRequest
  readonly write: p.WriteRequest
  readonly release: p.ReleaseRequest
  readonly flush: p.FlushRequest
  readonly fsync: p.FsyncRequest
  readonly setxattr: p.SetxattrRequest
  readonly getxattr: p.GetxattrRequest
  readonly listxattr: p.ListxattrRequest
  readonly lock: p.LockRequest
  readonly access: p.AccessRequest
  readonly bmap: p.BmapRequest
  readonly ioctl: p.IoctlRequest
  readonly poll: p.PollRequest
  readonly fallocate: p.FallocateRequest
  readonly lseek: p.LseekRequest
  readonly copy: p.CopyFileRangeRequest
  readonly emptyReply: p.Reply
  readonly entryReply: p.EntryReply
  readonly attrReply: p.AttrReply
  readonly statxReply: p.StatxReply
  readonly bytesReply: p.BytesReply
  readonly readReply: p.ReadReply
  readonly openReply: p.OpenReply
  readonly createReply: p.CreateReply
  readonly writeReply: p.WriteReply
  readonly copyReply: p.CopyReply
  readonly statfsReply: p.StatfsReply
  readonly xattrReply: p.XattrReply
  readonly directoryReply: p.DirectoryReply
  readonly lockReply: p.LockReply
  readonly lseekReply: p.LseekReply
  readonly bmapReply: p.BmapReply
  readonly ioctlReply: p.IoctlReply
  readonly pollReply: p.PollReply

  constructor(message: p.Message, extendedSetxattr: boolean) {
    this.message = message
    this.request = new p.Request(message)
    this.name = new p.NameRequest(message)
    this.getattr = new p.GetattrRequest(message)
    this.statx = new p.StatxRequest(message)
    this.setattr = new p.SetattrRequest(message)
    this.symlink = new p.SymlinkRequest(message)
    this.mknod = new p.MknodRequest(message)
    this.mkdir = new p.MkdirRequest(message)
    this.rename = new p.RenameRequest(message, 8)
    this.rename2 = new p.RenameRequest(message, 16)
    this.link = new p.LinkRequest(message)
    this.open = new p.OpenRequest(message)
    this.create = new p.CreateRequest(message)
    this.read = new p.ReadRequest(message)
    this.readdir = new p.ReaddirRequest(message)
    this.write = new p.WriteRequest(message)
    this.release = new p.ReleaseRequest(message)
    this.flush = new p.FlushRequest(message)
    this.fsync = new p.FsyncRequest(message)
    this.setxattr = new p.SetxattrRequest(message, extendedSetxattr)
    this.getxattr = new p.GetxattrRequest(message)
    this.listxattr = new p.ListxattrRequest(message)
    this.lock = new p.LockRequest(message)
    this.access = new p.AccessRequest(message)
    this.bmap = new p.BmapRequest(message)
    this.ioctl = new p.IoctlRequest(message)
    this.poll = new p.PollRequest(message)
    this.fallocate = new p.FallocateRequest(message)
    this.lseek = new p.LseekRequest(message)
    this.copy = new p.CopyFileRangeRequest(message)
    this.emptyReply = new p.Reply(message)
    this.entryReply = new p.EntryReply(message)
    this.attrReply = new p.AttrReply(message)
    this.statxReply = new p.StatxReply(message)
    this.bytesReply = new p.BytesReply(message)
    this.readReply = new p.ReadReply(message)
    this.openReply = new p.OpenReply(message)
    this.createReply = new p.CreateReply(message)
    this.writeReply = new p.WriteReply(message)
    this.copyReply = new p.CopyReply(message)
    this.statfsReply = new p.StatfsReply(message)
    this.xattrReply = new p.XattrReply(message)
    this.directoryReply = new p.DirectoryReply(message)
    this.lockReply = new p.LockReply(message)
    this.lseekReply = new p.LseekReply(message)
    this.bmapReply = new p.BmapReply(message)
    this.ioctlReply = new p.IoctlReply(message)
    this.pollReply = new p.PollReply(message)
  }
}
