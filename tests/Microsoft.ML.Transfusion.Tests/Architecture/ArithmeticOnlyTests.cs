// Numbers meet tensors in Torch/Arithmetic.cs alone, where they outlive their use. Told from compiled code, in which no operator, compound
// assignment, implicit conversion or lambda hides a call: whatever of TorchSharp makes a Scalar, at any depth, is not called elsewhere.
using System.Reflection;
using System.Reflection.Emit;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Architecture;

public class ArithmeticOnlyTests
{
    private static readonly Dictionary<int, OpCode> OpCodesByValue = typeof(OpCodes).GetFields()
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(code => code.Value & 0xFFFF);

    private static readonly HashSet<(Module, int)> MakersOfScalars = FindMakersOfScalars();

    [Fact]
    public void Nothing_but_Arithmetic_turns_numbers_into_scalars() =>
        Assert.Empty(from method in Methods(typeof(TransfusionModel).Assembly)
                     where method.DeclaringType != typeof(Arithmetic)
                     from call in MakersIn(method)
                     select $"{method.DeclaringType}.{method.Name} calls {call}: write it with Torch/Arithmetic.cs, which keeps the scalar alive.");

    [Fact]
    public void Every_way_to_make_a_scalar_is_seen()
    {
        Action<Tensor, Tensor>[] ways =
        [
            (x, y) => _ = x + y, (x, y) => x += y, (x, _) => x *= 2.0, (x, _) => x /= 2, (x, _) => _ = 1 - x, (x, _) => _ = x > 0, (x, _) => x.fill_(0.5f),
            (x, _) => _ = (double)x, (x, _) => x.ToDouble(), (x, _) => x.ToScalar(), (x, y) => x.add_(y), (x, _) => x.square(), (x, _) => x.mul(2.ToScalar()),
            (x, _) => arange(3), (x, _) => nn.functional.mish(x), (x, y) => ((Func<Tensor, Tensor>)x.add)(y),
        ];
        Assert.All(ways, way => Assert.NotEmpty(MakersIn(way.Method)));
    }

    [Fact]
    public void What_makes_no_scalar_is_allowed()
    {
        Action<Tensor, Tensor>[] ways = [(x, y) => _ = x - y, (x, y) => x *= y, (x, y) => _ = -x / y, (x, _) => nn.functional.silu(x), (x, y) => bmm(x, y), (x, _) => x.mean()];
        Assert.All(ways, way => Assert.Empty(MakersIn(way.Method)));
    }

    private static IEnumerable<string> MakersIn(MethodBase method) =>
        Calls(method).Where(call => MakersOfScalars.Contains(Key(call))).Select(call => $"{call.DeclaringType}.{call}");

    /// <summary>Methods of TorchSharp that return a new scalar, those that call them, those that call these, and so on.</summary>
    private static HashSet<(Module, int)> FindMakersOfScalars()
    {
        MethodBase[] methods = [.. Methods(typeof(Scalar).Assembly)];
        ILookup<(Module, int), (Module, int)> callers = methods.SelectMany(method => Calls(method).Select(call => (Callee: Key(call), Caller: Key(method))))
            .ToLookup(pair => pair.Callee, pair => pair.Caller);
        var found = new HashSet<(Module, int)>();
        var open = new Stack<(Module, int)>(methods.OfType<MethodInfo>().Where(method => method.ReturnType == typeof(Scalar)).Select(Key));
        while (open.TryPop(out (Module, int) method))
            if (found.Add(method))
                foreach ((Module, int) caller in callers[method])
                    open.Push(caller);
        return found;
    }

    private static IEnumerable<MethodBase> Methods(Assembly assembly)
    {
        const BindingFlags Own = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;
        return assembly.GetTypes().SelectMany(type => type.GetMethods(Own).Concat<MethodBase>(type.GetConstructors(Own)));
    }

    /// <summary>The methods that a method's code calls, or takes the address of.</summary>
    private static IEnumerable<MethodBase> Calls(MethodBase method)
    {
        byte[] code = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        Type[]? ofType = method.DeclaringType is { IsGenericType: true } type ? type.GetGenericArguments() : null;
        Type[]? ofMethod = method.IsGenericMethod ? method.GetGenericArguments() : null;
        for (int at = 0; at < code.Length;)
        {
            OpCode instruction = OpCodesByValue[code[at] == 0xFE ? 0xFE00 | code[at + 1] : code[at]];
            at += instruction.Size;
            if (instruction.OperandType == OperandType.InlineMethod && method.Module.ResolveMethod(BitConverter.ToInt32(code, at), ofType, ofMethod) is MethodBase call)
                yield return call;
            at += instruction.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + 4 * BitConverter.ToInt32(code, at),
                _ => 4,
            };
        }
    }

    private static (Module, int) Key(MethodBase method) => (method.Module, method.MetadataToken);
}
