// One safetensors file, mapped into memory: opening it reads the header only, and each tensor is copied out when it is asked for, so that a
// checkpoint of many gigabytes is loaded without being in memory twice.
using System.Diagnostics.CodeAnalysis;
using System.IO.MemoryMappedFiles;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

/// <summary>Reads from several threads at once are fine. The file must not be cut short while it is open.</summary>
internal sealed class SafeTensorsFile : IDisposable
{
    private readonly SafeTensorsHeader _header;
    private readonly Dictionary<string, SafeTensorsEntry> _entries;
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private readonly string _source;

    private SafeTensorsFile(FileStream file)
    {
        _source = SafeTensors.SourceOf(file.Name);
        try
        {
            _header = SafeTensorsHeader.Read(file, file.Length, _source);
        }
        catch (EndOfStreamException exception)
        {
            throw new FormatException($"{_source} is truncated: it has {file.Length} bytes.", exception);
        }
        _entries = _header.Entries.ToDictionary(entry => entry.Name, StringComparer.Ordinal);
        _map = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        _view = _map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
    }

    /// <exception cref="FormatException">The file is not of the format; the message names it, and the tensor where one is at fault.</exception>
    public static SafeTensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        try
        {
            return new SafeTensorsFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>In the order of the tensors' bytes.</summary>
    public IEnumerable<string> Names => _header.Entries.Select(entry => entry.Name);

    /// <summary>Every tensor's type, shape and size, in the order of their bytes; tensors of types that cannot be read included.</summary>
    public IReadOnlyList<SafeTensorsEntry> Entries => _header.Entries;

    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    public bool TryGetEntry(string name, [NotNullWhen(true)] out SafeTensorsEntry? entry) => _entries.TryGetValue(name, out entry);

    /// <summary>Copies one tensor onto the CPU. It belongs to the dispose scope around the call, or to the caller where there is none.</summary>
    /// <exception cref="KeyNotFoundException">There is none of that name.</exception>
    /// <exception cref="FormatException">TorchSharp has no such type.</exception>
    public Tensor Read(string name)
    {
        if (!TryGetEntry(name, out SafeTensorsEntry? entry))
            throw new KeyNotFoundException($"{_source} has no tensor '{name}'.");
        long position = _header.DataStart + entry.Begin;
        void Fill(Span<byte> bytes)
        {
            _view.SafeMemoryMappedViewHandle.ReadSpan((ulong)position, bytes);
            position += bytes.Length;
        }
        return SafeTensors.ReadTensor(entry, Fill, _source, trusted: true);
    }

    public void Dispose()
    {
        _view.Dispose();
        _map.Dispose();
    }
}
