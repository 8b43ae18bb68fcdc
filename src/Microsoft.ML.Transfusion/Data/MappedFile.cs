// A file without a name whose bytes are used like memory: the system keeps what is used often in memory, and the rest on disk. Its room on
// disk is taken at once, because a mapped file that finds the disk full later ends the process.
using System.Buffers;
using System.IO.MemoryMappedFiles;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Transfusion.Data;

internal sealed unsafe class MappedFile : MemoryManager<byte>
{
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private readonly int _size;
    private byte* _bytes;

    private MappedFile(FileStream file, int size)
    {
        _size = size;
        _map = MemoryMappedFile.CreateFromFile(file, null, size, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: false);
        _view = _map.CreateViewAccessor(0, size);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _bytes);
    }

    /// <exception cref="InvalidOperationException">The folder does not take the file: it is absent, read-only or full.</exception>
    public static MappedFile Create(IExceptionContext context, string folder, long size)
    {
        try
        {
            if (!OperatingSystem.IsWindows() && new DriveInfo(Path.GetFullPath(folder)).AvailableFreeSpace is var free && free < size)
                throw new IOException($"{size >> 20:N0} MiB are needed and {free >> 20:N0} MiB are free.");
            return new MappedFile(Open(Path.Combine(folder, $"transfusion-{Guid.NewGuid():N}.cache"), size), (int)size);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw context.Process(new InvalidOperationException($"The training data is larger than CacheMemory, and the folder '{folder}' does not take the rest: "
                + $"{exception.Message} Set CacheFolder to a folder with more space, or raise CacheMemory.", exception));
        }
    }

    public override Span<byte> GetSpan()
    {
        ObjectDisposedException.ThrowIf(_bytes is null, this);
        return new Span<byte>(_bytes, _size);
    }

    public override MemoryHandle Pin(int elementIndex = 0) => new(_bytes + elementIndex, pinnable: this);

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
        if (_bytes is null)
            return;
        _bytes = null;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _map.Dispose();
    }

    private static FileStream Open(string path, long size)
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Options = FileOptions.DeleteOnClose,
            PreallocationSize = size,
            BufferSize = 0,
        };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        var file = new FileStream(path, options);
        if (!OperatingSystem.IsWindows())
            File.Delete(path);                                     // the name goes at once; the bytes go with the process, however it ends
        file.SetLength(size);
        return file;
    }
}
