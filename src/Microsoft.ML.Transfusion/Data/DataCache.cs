// Bytes of any length at addresses that stay: in memory up to a budget, beyond it in memory-mapped files. Millions of rows are a few large
// blocks here and no objects of their own.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Transfusion.Data;

/// <summary>Written by one thread; what is written may be read by many.</summary>
/// <param name="context">Reports errors.</param>
/// <param name="memory">Bytes kept in memory.</param>
/// <param name="folder">Where the files go; null: the system's temporary folder.</param>
internal sealed class DataCache(IExceptionContext context, long memory, string? folder) : IDisposable
{
    private const int SmallestBlock = 1 << 20, LargestBlock = 1 << 28;      // doubled from one to the other
    private const int Alignment = 8;

    private readonly List<Memory<byte>> _blocks = [];
    private readonly List<MappedFile> _files = [];
    private int _used;                                                      // of the last block

    /// <summary>Bytes in memory, free ones included.</summary>
    public long InMemory { get; private set; }

    /// <summary>Bytes in files, free ones included.</summary>
    public long OnDisk { get; private set; }

    /// <summary>Room for some bytes. What the span shows stays at the address until this object is disposed.</summary>
    /// <exception cref="InvalidOperationException">A file is needed and cannot be made.</exception>
    public Span<byte> Allocate(int length, out long address)
    {
        if (_blocks.Count == 0 || _blocks[^1].Length - _used < length)
            AddBlock(length);
        address = (long)(_blocks.Count - 1) << 32 | (uint)_used;
        int start = _used;
        _used = Math.Min(_blocks[^1].Length, (start + length + Alignment - 1) / Alignment * Alignment);
        return _blocks[^1].Span.Slice(start, length);
    }

    public Span<byte> At(long address, int length) => _blocks[(int)(address >> 32)].Span.Slice((int)(uint)address, length);

    /// <summary>Numbers that were put there; changes to them stay.</summary>
    public Span<T> At<T>(long address, int count) where T : unmanaged => MemoryMarshal.Cast<byte, T>(At(address, count * Unsafe.SizeOf<T>()));

    public void Dispose()
    {
        _blocks.Clear();
        _files.ForEach(file => ((IDisposable)file).Dispose());
        _files.Clear();
    }

    private void AddBlock(int needed)
    {
        int size = Math.Max(needed, (int)Math.Min(LargestBlock, (long)SmallestBlock << Math.Min(_blocks.Count, 30)));
        long left = memory - InMemory;
        if (left >= needed)
        {
            byte[] block = GC.AllocateUninitializedArray<byte>((int)Math.Min(size, left));
            InMemory += block.Length;
            _blocks.Add(block);
        }
        else
        {
            MappedFile file = MappedFile.Create(context, folder ?? Path.GetTempPath(), size);
            OnDisk += size;
            _files.Add(file);
            _blocks.Add(file.Memory);
        }
        _used = 0;
    }
}
