// Passes bytes on to another stream and keeps the last ones back, so that the placeholder of the seal can become the seal at the end.
// Write-only and without positions, so that an archive is the same bytes wherever in a stream it begins.
using System.Security.Cryptography;

namespace Microsoft.ML.Transfusion.Serialization;

internal sealed class SealingStream(Stream inner) : Stream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _held = new byte[ArchiveSeal.Length];
    private int _heldCount;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        int leaving = Math.Max(0, _heldCount + buffer.Length - _held.Length);
        int leavingHeld = Math.Min(leaving, _heldCount);
        PassOn(_held.AsSpan(0, leavingHeld));
        _held.AsSpan(leavingHeld, _heldCount - leavingHeld).CopyTo(_held);
        _heldCount -= leavingHeld;
        PassOn(buffer[..(leaving - leavingHeld)]);
        buffer = buffer[(leaving - leavingHeld)..];
        buffer.CopyTo(_held.AsSpan(_heldCount));
        _heldCount += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <summary>Writes the seal in the place of what was kept back.</summary>
    public void Seal()
    {
        inner.Write(ArchiveSeal.Of(_hash.GetCurrentHash()));
        inner.Flush();
    }

    public override void Flush() => inner.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _hash.Dispose();
        base.Dispose(disposing);
    }

    private void PassOn(ReadOnlySpan<byte> bytes)
    {
        _hash.AppendData(bytes);
        inner.Write(bytes);
    }
}
