// Copies of one pass-through column's values over the rows that a BatchCursor has read ahead.
using System.Reflection;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Imaging;

namespace Microsoft.ML.Transfusion.Data;

internal abstract class BufferedColumn
{
    private static readonly MethodInfo CreateOfType = typeof(BufferedColumn).GetMethod(nameof(CreateOf), BindingFlags.NonPublic | BindingFlags.Static)!;

    public static BufferedColumn Create(DataViewRow row, DataViewSchema.Column column, int capacity) =>
        (BufferedColumn)CreateOfType.MakeGenericMethod(column.Type.RawType).Invoke(null, [row, column, capacity])!;

    /// <summary>Copies the current row's value into a place of the buffer.</summary>
    public abstract void Read(int place);

    public abstract Delegate Getter(Func<int> place);

    /// <summary>Releases the copies.</summary>
    public virtual void Clear()
    {
    }

    private static BufferedColumn CreateOf<T>(DataViewRow row, DataViewSchema.Column column, int capacity)
    {
        if (typeof(T) == typeof(MLImage))
            return new ImageColumn(row.GetGetter<MLImage>(column), capacity);
        if (column.Type is not VectorDataViewType vector)
            return new ValueColumn<T>(row.GetGetter<T>(column), capacity);
        Type type = typeof(VectorColumn<>).MakeGenericType(vector.ItemType.RawType);
        return (BufferedColumn)Activator.CreateInstance(type, row.GetGetter<T>(column), capacity)!;
    }

    private sealed class ValueColumn<T>(ValueGetter<T> source, int capacity) : BufferedColumn
    {
        private readonly T[] _values = new T[capacity];

        public override void Read(int place) => source(ref _values[place]);

        public override Delegate Getter(Func<int> place) => (ValueGetter<T>)((ref T value) => value = _values[place()]);
    }

    private sealed class VectorColumn<T>(ValueGetter<VBuffer<T>> source, int capacity) : BufferedColumn
    {
        private readonly VBuffer<T>[] _values = new VBuffer<T>[capacity];

        public override void Read(int place) => source(ref _values[place]);

        public override Delegate Getter(Func<int> place) => (ValueGetter<VBuffer<T>>)((ref VBuffer<T> value) => _values[place()].CopyTo(ref value));
    }

    // Cloned on the way in, since its maker disposes it, and on the way out, since its taker may.
    private sealed class ImageColumn(ValueGetter<MLImage> source, int capacity) : BufferedColumn
    {
        private readonly Func<MLImage?> _read = PartReader.ImageReader(source);
        private readonly MLImage?[] _values = new MLImage?[capacity];

        public override void Read(int place)
        {
            _values[place]?.Dispose();
            _values[place] = _read() is { } image ? ImageTensors.Copy(image) : null;
        }

        public override Delegate Getter(Func<int> place) =>
            (ValueGetter<MLImage>)((ref MLImage value) => value = _values[place()] is { } image ? ImageTensors.Copy(image) : null!);

        public override void Clear()
        {
            foreach (MLImage? image in _values)
                image?.Dispose();
        }
    }
}
