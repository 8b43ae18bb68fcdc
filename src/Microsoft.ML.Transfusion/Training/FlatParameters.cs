// All trained weights of a network as views of one buffer, their gradients of another: the optimizer, the norm and the average each touch
// memory once. Frozen weights are no part of it, so that nothing moves, decays or counts them.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

/// <summary>Rebinds a network's parameters to flat buffers. Matrices of the blocks come first, by shape, then other matrices: each optimizer's share is a slice.</summary>
internal sealed class FlatParameters : IDisposable
{
    private readonly Tensor _computed;                      // [N] in the compute dtype: what the network's parameters are views of
    private readonly Tensor[] _gradients;                   // each parameter's place in the gradient
    private readonly List<Parameter[]> _computing = [];     // of the network, then of those that share the weights: as they lie in the buffers
    private readonly Dictionary<string, Tensor?> _frozen;   // as they were before the compute dtype rounded them; null where it does not

    /// <param name="isFrozen">Names of parameters that keep their values, bit for bit; null: there are none.</param>
    public FlatParameters(nn.Module network, ScalarType computeDtype, Func<string, bool>? isFrozen = null)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        bool same = computeDtype == ScalarType.Float32;
        _frozen = network.named_parameters().Where(p => isFrozen?.Invoke(p.name) ?? false)
            .ToDictionary(p => p.name, p => same ? null : p.parameter.detach().to(CPU, copy: true).DetachFromDisposeScope());     // a GPU needs its memory
        List<(string Name, Parameter Value)> parameters =
        [
            .. network.named_parameters().Where(p => !_frozen.ContainsKey(p.name))
                .OrderBy(p => IsBlockMatrix(p.name, p.parameter) ? 0 : IsDecayed(p.name, p.parameter) ? 1 : 2)
                .ThenBy(p => IsBlockMatrix(p.name, p.parameter) ? string.Join('×', p.parameter.shape) : "", StringComparer.Ordinal),
        ];
        Layout = [.. Offsets(parameters)];
        BlockMatrixCount = parameters.Where(p => IsBlockMatrix(p.Name, p.Value)).Sum(p => p.Value.numel());
        DecayedCount = parameters.Where(p => IsDecayed(p.Name, p.Value)).Sum(p => p.Value.numel());
        Master = cat([.. parameters.Select(p => p.Value.flatten().to(ScalarType.Float32))], 0).DetachFromDisposeScope();
        Gradient = zeros_like(Master).DetachFromDisposeScope();
        _computed = same ? Master : Master.to(computeDtype).DetachFromDisposeScope();
        _gradients = [.. Layout.Select(entry => entry.View(Gradient).DetachFromDisposeScope())];
        network.to(computeDtype);                           // after the masters were taken: it rounds
        Dictionary<string, FlatEntry> places = Layout.ToDictionary(entry => entry.Name);
        foreach ((string name, Parameter parameter) in network.named_parameters())
        {
            parameter.requires_grad = places.TryGetValue(name, out FlatEntry? place);
            if (place is null)
                continue;
            parameter.set_(place.View(_computed));          // the parameter now shares the buffer's storage
        }
        AddComputing(network);
    }

    /// <summary>Where each trained parameter lies in the buffers.</summary>
    public IReadOnlyList<FlatEntry> Layout { get; }

    /// <summary>The first this many values are the weight matrices of the transformer blocks, those of one shape side by side.</summary>
    public long BlockMatrixCount { get; }

    /// <summary>The first this many values are weight matrices.</summary>
    public long DecayedCount { get; }

    /// <summary>The blocks' weight matrices, stacked by shape: entries of shape [n, rows, columns].</summary>
    public IEnumerable<FlatEntry> MatrixStacks => Layout.Where(entry => entry.Offset < BlockMatrixCount)
        .GroupBy(entry => (entry.Shape[0], entry.Shape[1]))
        .Select(group => new FlatEntry("", group.First().Offset, [group.Count(), group.Key.Item1, group.Key.Item2]));

    /// <summary>The number format of the network's own weights.</summary>
    public ScalarType ComputeDtype => _computed.dtype;

    /// <summary>32-bit weights, [N].</summary>
    public Tensor Master { get; }

    /// <summary>32-bit gradient, [N]; current after <see cref="GatherGradient()"/>.</summary>
    public Tensor Gradient { get; }

    /// <summary>Lets a second network compute with these weights, frozen ones too; its gradient is gathered with the first one's.</summary>
    /// <param name="network">The network whose parameters lie here.</param>
    /// <param name="twin">A network of the same shape and format.</param>
    public void Share(nn.Module network, nn.Module twin)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Dictionary<string, FlatEntry> places = Layout.ToDictionary(entry => entry.Name);
        Dictionary<string, Parameter> own = network.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        foreach ((string name, Parameter parameter) in twin.named_parameters())
        {
            parameter.requires_grad = places.TryGetValue(name, out FlatEntry? place);
            parameter.set_(place?.View(_computed) ?? own[name].alias());
        }
        AddComputing(twin);
    }

    /// <summary>Sums the gradients of the network and of those that share its weights, always in the same order, and takes them from there.</summary>
    public void GatherGradient()
    {
        GatherGradient(WorkShare.Whole);
        ForgetGradient();
    }

    /// <summary>The same for some of the parameters, whose gradients stay with the network.</summary>
    /// <returns>Σ g² over them.</returns>
    public double GatherGradient(WorkShare share)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        (long begin, long length) = share.Of(Master.shape[0]);
        int first = Layout.TakeWhile(entry => entry.Offset < begin).Count(), end = Layout.TakeWhile(entry => entry.Offset < begin + length).Count();
        for (int i = first; i < end; i++)
        {
            bool isFirst = true;
            foreach (Parameter[] parameters in _computing)
            {
                using Tensor? gradient = parameters[i].grad;
                if (gradient is not null && isFirst)
                    _gradients[i].copy_(gradient);
                else if (gradient is not null)
                    _gradients[i].AddInPlace(gradient);
                isFirst &= gradient is null;
            }
            if (isFirst)
                _gradients[i].zero_();
        }
        if (first == end)
            return 0;
        double norm = Gradient.narrow(0, Layout[first].Offset, Layout[end - 1].Offset + Layout[end - 1].Count - Layout[first].Offset).norm().AsDouble();
        return norm * norm;
    }

    public void ScaleGradient(WorkShare share, double factor)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        (long begin, long length) = share.Of(Gradient.shape[0]);
        Gradient.narrow(0, begin, length).MultiplyInPlace(factor);
    }

    public void ScatterMaster() => ScatterMaster(WorkShare.Whole);

    public void ScatterMaster(WorkShare share)
    {
        if (ReferenceEquals(_computed, Master))
            return;
        using var scope = NewDisposeScope();
        (long begin, long length) = share.Of(Master.shape[0]);
        _computed.narrow(0, begin, length).copy_(Master.narrow(0, begin, length));
    }

    /// <summary>Without a gradient to add to, autograd hands over its own instead of copying it.</summary>
    public void ForgetGradient()
    {
        foreach (Parameter parameter in _computing.SelectMany(parameters => parameters))
            parameter.grad = null;
    }

    /// <summary>Lets the network compute with other weights [N] until the result is disposed; the masters are what they were then.</summary>
    public IDisposable Show(Tensor weights)
    {
        using var noGradient = no_grad();
        Tensor kept = Master.clone().DetachFromDisposeScope();
        _computed.copy_(weights);
        return new Shown(this, kept);
    }

    /// <summary>Gives the network 32-bit parameters of its own again: these weights [N], and the frozen ones as they were.</summary>
    public void Release(nn.Module network, Tensor weights)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Dictionary<string, Parameter> parameters = network.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        foreach (FlatEntry entry in Layout)
        {
            parameters[entry.Name].grad = null;
            parameters[entry.Name].set_(entry.View(_computed).clone());
        }
        network.to(ScalarType.Float32);
        foreach ((string name, Parameter parameter) in network.named_parameters())
        {
            if (!_frozen.TryGetValue(name, out Tensor? source))
                source = Layout.Single(entry => entry.Name == name).View(weights);
            if (source is not null)
                parameter.copy_(source);
            parameter.requires_grad = true;
        }
    }

    public void Dispose()
    {
        foreach (Tensor? tensor in (Tensor?[])[Master, Gradient, _computed, .. _gradients, .. _frozen.Values])
            tensor?.Dispose();
    }

    private sealed class Shown(FlatParameters parameters, Tensor kept) : IDisposable
    {
        public void Dispose()
        {
            using var noGradient = no_grad();
            parameters.Master.copy_(kept);
            parameters.ScatterMaster();
            kept.Dispose();
        }
    }

    private void AddComputing(nn.Module network)
    {
        Dictionary<string, Parameter> own = network.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        _computing.Add([.. Layout.Select(entry => own[entry.Name])]);
    }

    private static bool IsDecayed(string name, Tensor parameter) =>
        parameter.dim() == 2 && !name.StartsWith("embed_", StringComparison.Ordinal);

    private static bool IsBlockMatrix(string name, Tensor parameter) =>
        parameter.dim() == 2 && name.StartsWith("layers.", StringComparison.Ordinal);

    private static IEnumerable<FlatEntry> Offsets(IEnumerable<(string Name, Parameter Value)> parameters)
    {
        long offset = 0;
        foreach ((string name, Parameter value) in parameters)
        {
            yield return new FlatEntry(name, offset, value.shape);
            offset += value.numel();
        }
    }
}

/// <summary>One parameter's place in a flat buffer.</summary>
internal sealed record FlatEntry(string Name, long Offset, long[] Shape)
{
    public long Count => Shape.Aggregate(1L, (product, size) => product * size);

    public Tensor View(Tensor flat) => flat.narrow(0, Offset, Count).view(Shape);
}
